"""Make the ghost clipping core of an affected Opacus right, in place, for this process.

    from dpmigrate.runtime import patch_opacus
    print(patch_opacus())

Features are probed, not version strings: the commits between the new API and the upstream fix call
themselves 1.5.2. Nothing is changed where nothing is wrong, and nothing at all where a probe meets
an Opacus that it does not know.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from dpmigrate.runtime.features import opacus_version
from dpmigrate.runtime.messages import selected
from dpmigrate.runtime.patch_parts import PARTS, Undo
from dpmigrate.runtime.patch_parts import UnknownOpacus as UnknownOpacus

State = Literal["patched", "already-patched", "right", "wrong", "absent"]

_lock = threading.RLock()
_applied: dict[str, Undo] = {}


@dataclass(frozen=True)
class PartReport:
    """What became of one part; ``why`` names the fault where there is (or was) one."""

    name: str
    state: State
    why: str


@dataclass(frozen=True)
class PatchReport:
    """What :func:`patch_opacus` found and did, part by part."""

    opacus: str
    parts: tuple[PartReport, ...]

    @property
    def patched(self) -> tuple[str, ...]:
        """Names of the parts that this process now runs repaired (by this call or an earlier one)."""
        return tuple(p.name for p in self.parts if p.state in ("patched", "already-patched"))

    @property
    def wrong(self) -> tuple[str, ...]:
        """Names of the parts that are wrong and were only looked at (see :func:`probe_opacus`)."""
        return tuple(p.name for p in self.parts if p.state == "wrong")

    def __str__(self) -> str:
        lines = [f"Opacus {self.opacus}:" + ("" if self.patched or self.wrong else " nothing to repair")]
        for part in self.parts:
            if part.state in ("patched", "already-patched", "wrong"):
                lines.append(f"  {part.name}: {part.state} ({part.why})")
        return "\n".join(lines)


def part_names() -> tuple[str, ...]:
    """Names of all parts, in the order in which they are applied."""
    return tuple(part.name for part in PARTS)


def patch_opacus(parts: Iterable[str] | None = None) -> PatchReport:
    """Repair what is wrong in the imported Opacus, and say what that was.

    ``parts`` limits the repair to some of :func:`part_names`; all of them when None. Idempotent;
    every class attribute is put back by :func:`unpatch_opacus`. It may be called before or after the
    user's code imports names from Opacus or builds its objects; only "engine-max-grad-norm" acts on
    ``make_private`` calls made afterwards.

    Raises ValueError for an unknown part, ImportError without Opacus, and :class:`UnknownOpacus`
    (with nothing changed) where a probe meets behaviour of no known release.
    """
    return _visit(selected(parts, part_names(), "part"), repair=True)


def probe_opacus(parts: Iterable[str] | None = None) -> PatchReport:
    """Look only: which parts of the imported Opacus are wrong. Changes nothing; raises as above."""
    return _visit(selected(parts, part_names(), "part"), repair=False)


def unpatch_opacus() -> tuple[str, ...]:
    """Take every repair back, newest first; returns the names of the parts that were repaired."""
    return _take_back(keep=set())


@contextmanager
def patched_opacus(parts: Iterable[str] | None = None) -> Iterator[PatchReport]:
    """Repaired inside the ``with`` block only; parts that were repaired before stay so afterwards."""
    with _lock:
        before = set(_applied)
        report = patch_opacus(parts)
    try:
        yield report
    finally:
        _take_back(keep=before)


def _take_back(keep: set[str]) -> tuple[str, ...]:
    """Undo all repairs but some, the newest first; the names of those undone."""
    with _lock:
        names = tuple(name for name in _applied if name not in keep)
        for name in reversed(names):
            _applied.pop(name)()
        return names


@contextmanager
def _quietly() -> Iterator[None]:
    """Neither warnings nor the global random stream are touched by what runs inside."""
    import torch

    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")
        yield


def _visit(names: Collection[str], *, repair: bool) -> PatchReport:
    parts = [part for part in PARTS if part.name in names]
    with _lock:
        # all probes run before the first repair, so that an unknown Opacus is left untouched
        with _quietly():
            verdicts = {part.name: part.probe() for part in parts if part.name not in _applied}
        reports = []
        for part in parts:
            if part.name in _applied:
                reports.append(PartReport(part.name, "already-patched", part.fault))
            elif verdicts[part.name] != "wrong":
                reports.append(PartReport(part.name, verdicts[part.name], ""))
            elif repair:
                _applied[part.name] = part.repair()
                reports.append(PartReport(part.name, "patched", part.fault))
            else:
                reports.append(PartReport(part.name, "wrong", part.fault))
        return PatchReport(opacus_version(), tuple(reports))
