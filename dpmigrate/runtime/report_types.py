"""What a verification reports: checks, measurements and the report (``verify --format json``).

Imports no torch, so that reports can be read and printed without it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from dpmigrate.model import CheckName

UNSUPPORTED = "unsupported: "
"""How the detail of a check begins that could not run because Opacus does not support the case."""


@dataclass(frozen=True)
class Check:
    """One check of one engine.

    ``passed`` is None where the check does not apply (``detail`` says why); ``value`` and ``limit``
    are in the unit that ``detail`` names, None where not finite or not measured; ``rule`` is the
    rule id of the fault that was recognised.
    """

    name: CheckName
    passed: bool | None
    value: float | None = None
    limit: float | None = None
    rule: str | None = None
    engine: int = 0
    detail: str = ""

    @property
    def unsupported(self) -> bool:
        """Whether the check could not run because Opacus does not support the case."""
        return self.passed is None and self.detail.startswith(UNSUPPORTED)


@dataclass(frozen=True)
class Engine:
    """A ``make_private`` call (or hand-made pair) that was verified; path and line where known."""

    path: str | None
    line: int | None
    mode: str


@dataclass(frozen=True)
class Measurement:
    """The figures behind the parity checks of one engine, for reports that draw them.

    ``norms`` and ``oracle_norms`` are per example, before clipping; ``layer_errors`` is the relative
    L2 error of the clipped sum by parameter name; all lists are in batch order.
    """

    engine: int
    mode: str
    physical_batches: int
    relative_error: float
    norms: tuple[float, ...]
    oracle_norms: tuple[float, ...]
    layer_errors: dict[str, float]


@dataclass(frozen=True)
class ClippingReport:
    """The outcome of a verification.

    ``files`` are ``(path, sha256)`` of the code that the evidence is for; ``max_grad_norm`` is the
    bound C that was used, None where it differs between engines.
    """

    opacus: str
    torch: str
    dtype: str
    logical_steps: int
    physical_batches: tuple[int, ...]
    engines: tuple[Engine, ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    checks: tuple[Check, ...] = ()
    max_grad_norm: float | None = None
    measurements: tuple[Measurement, ...] = field(default=())

    @property
    def passed(self) -> bool:
        """Whether at least one check ran and every check that ran holds."""
        ran = [c.passed for c in self.checks if c.passed is not None]
        return bool(ran) and all(ran)

    @property
    def failures(self) -> tuple[Check, ...]:
        """The checks that do not hold."""
        return tuple(c for c in self.checks if c.passed is False)

    @property
    def rules(self) -> tuple[str, ...]:
        """Rule ids of the faults that failing checks recognised, sorted, each once."""
        return tuple(sorted({c.rule for c in self.failures if c.rule is not None}))

    def to_dict(self) -> dict[str, Any]:
        """``verify --format json`` (schema 1)."""
        files = [{"path": path, "sha256": digest} for path, digest in self.files]
        body: dict[str, Any] = finite(asdict(self))
        return {"schema": 1} | body | {"files": files, "passed": self.passed}

    def __str__(self) -> str:
        head = f"Opacus {self.opacus}, torch {self.torch}, {self.dtype}: "
        return head + ("passed" if self.passed else "FAILED") + "\n" + check_lines(self.checks)


def check_lines(checks: Iterable[Check]) -> str:
    """The checks as ``dpmigrate verify`` prints them."""
    from dpmigrate.report.verification.text import shown_check

    return "\n".join(line for check in checks for line in shown_check(finite(asdict(check)), width=10_000))


def finite(value: Any) -> Any:
    """A value ready for JSON: null for what is infinite or not a number, at any depth."""
    if isinstance(value, dict):
        return {key: finite(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
