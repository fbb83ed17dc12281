"""Runs that begin where another engine's ended: the same weights, trained again on the same records.

That a model was trained is kept in the store, with the branches in which it was: what loads another
state, or draws the weights again, ends it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Atom, Obj, TrainedAt, Unknown
from dpmigrate.analysis.domain.values import NOTHING, Function, Value, of
from dpmigrate.analysis.guards import Guard
from dpmigrate.analysis.ledger.accounting import TrainedBefore
from dpmigrate.analysis.library import trained_plainly
from dpmigrate.analysis.library.first_time import in_one_round
from dpmigrate.analysis.library.records import records_of
from dpmigrate.analysis.library.torch.data import wholes_of
from dpmigrate.analysis.library.torch.names import real
from dpmigrate.analysis.registry import CallInfo, function
from dpmigrate.analysis.training import TrainingRun

_TRAINED = "<trained by>"


def step_of(ip: Interpreter, run: TrainingRun, guard: Guard) -> None:
    """The private optimizer of a run steps: its model's weights are no longer those that it was given."""
    model = Obj("dp-model", ("dp-model", id(run)), run.module, run.origin.node, run)
    for trained in (*run.raw_models, model):
        ip.store.set(trained, _TRAINED, of(model, guard=guard))


def begins_anew(ip: Interpreter, model: Atom, state: Value = NOTHING) -> None:
    """A model gets other weights: those of another model, where ``state`` is that one's ``state_dict()``."""
    ip.store.set(model, _TRAINED, _trained_by(ip, state.only))
    trained_plainly.other_weights(ip, model)


def _trained_by(ip: Interpreter, state: Atom | None) -> Value:
    """The runs that trained the one model of which something is the state; empty for anything else."""
    if not isinstance(state, Unknown) or state.reason != "result of state_dict":
        return NOTHING
    models = [part for part in state.parts if not isinstance(part, TrainedAt)]
    return (ip.read(models[0], _TRAINED) if len(models) == 1 else None) or NOTHING


def state_of(ip: Interpreter, model: Atom, node: cst.CSTNode) -> Value:
    """What ``model.state_dict()`` gives: made of the model, and of what trained it on the way here."""
    trained = {TrainedAt(id(run.origin.node)) for run, _ in _trainers(ip, model)}
    return ip.unknown(node, "result of state_dict", frozenset({model, *trained}))


def is_trained(ip: Interpreter, model: Atom) -> bool:
    """Whether a run has trained a model on the way here, and it got no other weights since."""
    return any(True for _ in _trainers(ip, model))


def _trainers(ip: Interpreter, model: Atom) -> Iterator[tuple[TrainingRun, Guard]]:
    """The runs that trained a model on the way here."""
    held = ip.read(model, _TRAINED) or NOTHING
    for e in held.entries:
        if isinstance(e.atom, Obj) and isinstance(e.atom.data, TrainingRun):
            yield e.atom.data, e.guard


def tell_of_training_before(ip: Interpreter, run: TrainingRun) -> None:
    """Record on a run that is made which other one had trained its model on the same records.

    One that is made the first time alone is never made twice for one model.
    """
    if in_one_round(ip, run.origin.node):
        return
    for model in run.raw_models:
        for other, guard in _trainers(ip, model):
            if other is run or other.engine == run.engine or not same_records(ip, run, other):
                continue
            if _entered(run) != _entered(other):
                continue  # what nothing calls is entered by itself: none comes before another
            ip.happen(run, TrainedBefore(ip.at(run.origin.node, guard)))


def _entered(run: TrainingRun) -> tuple[cst.CSTNode, Hashable] | None:
    """The function that nothing calls in which a run is made, where it is in one."""
    first = run.chain[0] if run.chain else None
    if first is None or not isinstance(first.through.node, cst.FunctionDef):
        return None
    return first.through.node, first.receiver


def same_records(ip: Interpreter, one: TrainingRun, other: TrainingRun) -> bool:
    """Whether two runs are given the very same loader, or loaders of one data set, or of it and a part."""
    first, second = records_of(ip, one), records_of(ip, other)
    if first is None or second is None:
        return False
    return first in (second, *wholes_of(ip, second)) or second in wholes_of(ip, first)


@function("<called again within itself>")
def _calls_itself(ip: Interpreter, info: CallInfo) -> Value:
    """A function trains with an engine of its own, and hands model and records on to itself."""
    callee = info.positional[0].only
    ways = {
        frame.owner: frame.way[1]
        for frame in ip.frames
        if frame.function is not None and isinstance(callee, Function) and frame.function.node is callee.node
    }
    handed_on = {real(a) for value in info.positional[1:] for a in value.atoms}
    for run in list(ip.runs.values()):
        around = [ways[owner] for owner in run.frames if owner in ways]
        made = ip.births.get(run.engine) if run.engine is not None else None
        if not around or made is None or made.chain[: len(around[-1])] != around[-1]:
            continue
        trained = any(other is run for model in handed_on for other, _ in _trainers(ip, model))
        if trained and records_of(ip, run) in handed_on:
            ip.happen(run, TrainedBefore(ip.at(info.node), again=True))
    return NOTHING
