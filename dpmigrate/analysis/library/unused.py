"""Backward passes whose gradients are cleared before any step: a look at the input's gradient, an attack.

A slot of the store holds for each run the passes whose gradients wait, until something steps or clears them.
"""

from __future__ import annotations

from dataclasses import replace

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Const
from dpmigrate.analysis.domain.values import NOTHING, join_all, of
from dpmigrate.analysis.ledger import Circumstances
from dpmigrate.analysis.ledger.gradients import GradientsUnused, GradientsUsed
from dpmigrate.analysis.library import pending
from dpmigrate.analysis.training import TrainingRun


def _slot(run: TrainingRun) -> tuple[str, int]:
    return ("passes that wait", id(run))


def wait(ip: Interpreter, run: TrainingRun, here: Circumstances) -> None:
    """A loss of the run's model went backward here."""
    name = pending.entered_method(ip)
    held = ip.read(_slot(run), name) or NOTHING
    ip.store.set(_slot(run), name, join_all([held, of(Const(here))]))


def end(ip: Interpreter, run: TrainingRun, used: bool) -> None:
    """The gradients of all passes that wait are taken by a step, or cleared."""
    name = pending.entered_method(ip)
    for e in (ip.read(_slot(run), name) or NOTHING).entries:
        here = e.atom.value if isinstance(e.atom, Const) else None
        if isinstance(here, Circumstances):
            there = replace(here, guard=here.guard | e.guard)
            ip.happen(run, GradientsUsed(there) if used else GradientsUnused(there))
    ip.store.set(_slot(run), name, NOTHING)
