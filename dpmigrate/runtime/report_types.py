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

    def to_dict(self) -> dict[str, Any]:
        """The CHECK object of the JSON contract."""
        return asdict(self) | {"value": finite_or_none(self.value), "limit": finite_or_none(self.limit)}


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

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; non-finite values become null."""
        return asdict(self) | {
            "relative_error": finite_or_none(self.relative_error),
            "norms": [finite_or_none(v) for v in self.norms],
            "oracle_norms": [finite_or_none(v) for v in self.oracle_norms],
            "layer_errors": {k: finite_or_none(v) for k, v in self.layer_errors.items()},
        }


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
        return {
            "schema": 1,
            "opacus": self.opacus,
            "torch": self.torch,
            "dtype": self.dtype,
            "logical_steps": self.logical_steps,
            "physical_batches": list(self.physical_batches),
            "engines": [asdict(e) for e in self.engines],
            "files": [{"path": path, "sha256": digest} for path, digest in self.files],
            "checks": [c.to_dict() for c in self.checks],
            "max_grad_norm": finite_or_none(self.max_grad_norm),
            "measurements": [m.to_dict() for m in self.measurements],
            "passed": self.passed,
        }

    def __str__(self) -> str:
        head = f"Opacus {self.opacus}, torch {self.torch}, {self.dtype}: "
        return head + ("passed" if self.passed else "FAILED") + "\n" + check_lines(self.checks)


def check_lines(checks: Iterable[Check]) -> str:
    """One line a check: verdict, name, value against limit, detail."""
    lines = []
    for check in checks:
        verdict = {True: "ok  ", False: "FAIL", None: "-   "}[check.passed]
        figure = "" if finite_or_none(check.value) is None else f" {_short(check.value)}"
        if figure and finite_or_none(check.limit) is not None:
            figure += f" (limit {_short(check.limit)})"
        rule = f" [{check.rule}]" if check.rule else ""
        lines.append(f"  {verdict} {check.name}{figure}{rule} {check.detail}".rstrip())
    return "\n".join(lines)


def _short(value: float | None) -> str:
    """Two digits for small figures; five near one, where sensitivities meet their limits."""
    return f"{value:.5g}" if value is not None and 0.5 <= abs(value) < 10 else f"{value:.2g}"


def finite_or_none(value: float | None) -> float | None:
    """The value itself, or None where it is missing, infinite or not a number."""
    return value if value is not None and math.isfinite(value) else None
