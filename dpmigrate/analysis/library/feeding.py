"""Which loaders fed the gradients that a private step takes.

A slot of the store holds for each run the forward passes behind its gradients, from the backward pass that
made them until something clears them. What no step takes (an attack, a look at the gradients) is no training.
"""

from __future__ import annotations

from dataclasses import replace

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import ForwardPass, Tensor
from dpmigrate.analysis.domain.values import NOTHING, Entry, join_all, merge_entries
from dpmigrate.analysis.guards import ALWAYS, Guard, contradict
from dpmigrate.analysis.language.holding import runs_of_model
from dpmigrate.analysis.ledger import Circumstances
from dpmigrate.analysis.ledger.sampling import TrainedOn
from dpmigrate.analysis.library import pending
from dpmigrate.analysis.library.torch.data import kinds_of_loader
from dpmigrate.analysis.training import TrainingRun


def _slot(run: TrainingRun) -> tuple[str, int]:
    return ("fed gradients", id(run))


def through(ip: Interpreter, run: TrainingRun, loss: Tensor) -> list[ForwardPass]:
    """The forward passes of a run's model that a loss was computed by."""
    return [one for one in loss.passes if one.model in loss.sources and run in runs_of_model(ip, one.model)]


def gradients_fed(ip: Interpreter, run: TrainingRun, loss: Tensor, guard: Guard) -> None:
    """A backward pass over a loss of the run's model: what the model was given is behind the gradients."""
    passes = through(ip, run, loss)
    if passes:
        name = pending.entered_method(ip)
        held = ip.read(_slot(run), name) or NOTHING
        more = merge_entries(Entry(one, guard) for one in passes)
        ip.store.set(_slot(run), name, join_all([held, more]))


def gradients_gone(ip: Interpreter, run: TrainingRun) -> None:
    """Something clears or writes the gradients."""
    name = pending.entered_method(ip)
    if ip.read(_slot(run), name):
        ip.store.set(_slot(run), name, NOTHING)


def gradients_taken(
    ip: Interpreter, run: TrainingRun, node: cst.CSTNode, guard: Guard = ALWAYS, raw: bool = False
) -> None:
    """A step takes them: it trains on what they were fed with.

    ``raw``: of the optimizer that was passed in. It may well train without privacy on other loaders.
    """
    held = ip.read(_slot(run), pending.entered_method(ip)) or NOTHING
    counted = pending.by_a_counter(ip, node, guard) if held else None
    here = counted[0] if counted is not None else ip.at(node, guard)
    for e in held.entries:
        if not isinstance(e.atom, ForwardPass):
            continue  # too many to be told apart
        _tell(ip, run, replace(here, guard=here.guard | e.guard), e.atom, raw)
    gradients_gone(ip, run)


def _tell(ip: Interpreter, run: TrainingRun, here: Circumstances, fed: ForwardPass, raw: bool) -> None:
    """Tell of the loaders that fed one forward pass."""
    kinds = {batch: list(kinds_of_loader(ip, run, batch.loader)) for batch in fed.batches}
    returned = [batch for batch, each in kinds.items() if "returned" in each]
    for batch, each in kinds.items():
        mixed = any(not contradict(batch.guard, other.guard) for other in returned)
        there = replace(here, origin=batch.origin, guard=here.guard | batch.guard)
        for kind in each:
            if kind in ("returned", "passed") or not raw:
                ip.happen(run, TrainedOn(there, kind, mixed and kind != "returned"))
