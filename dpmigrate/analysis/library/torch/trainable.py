"""``requires_grad``: which parameters of a private model are frozen or unfrozen after the run is made."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Atom, Const, Params, Unknown
from dpmigrate.analysis.domain.values import NONE, Value, const
from dpmigrate.analysis.guards import ALWAYS, DOUBT, Guard
from dpmigrate.analysis.language.holding import runs_of_model, whole_of
from dpmigrate.analysis.ledger.optimizing import TrainableSet
from dpmigrate.analysis.library.counters import counters_of
from dpmigrate.analysis.library.passed import runs_before
from dpmigrate.analysis.notes import Slot
from dpmigrate.analysis.registry import CallInfo, function
from dpmigrate.analysis.source.tree import assigned_to, contains, every, names_in
from dpmigrate.analysis.training import TrainingRun

_FROZEN: Slot[dict[Atom, set[Hashable]]] = Slot(dict)
"""By model or layer: which of its parameters were frozen."""
_WHOLLY: Slot[dict[Atom, Guard]] = Slot(dict)
"""Those of which all parameters are frozen, each with what was assumed there."""
_BY_THEIR_HEAD: Slot[set[Atom]] = Slot(set)
"""Models of which a loop over names freezes all but what is called like a head."""
_HEADS = frozenset(["fc", "classifier", "head", "heads", "linear", "last_linear", "logits"])
_SOME = "some, by their names"
_CHOSEN_BY: Slot[dict[Hashable, object]] = Slot(dict)
"""By node: what a choice among parameters was made of the first time."""


def set_trainable(
    ip: Interpreter,
    models: Iterable[Atom],
    node: cst.CSTNode,
    given: Value,
    guard: Guard = ALWAYS,
    part: bool = False,
    which: Hashable = None,
) -> None:
    """Parameters of some models are told whether they are trained.

    ``part``: some of them, nobody knows which, unless ``which`` says so.
    """
    there = runs_before(ip, node)
    wanted = given or const(True)
    if not isinstance(wanted.only, Const):
        if (value := _decided_one_by_one(ip, node)) is not None:
            _choose_some(ip, frozenset(models), node, value, there, guard)
        return
    trainable = bool(wanted.only.value)
    for model in models:
        late = [run for run in runs_of_model(ip, model) if run in there]
        nothing_new = not trainable and wholly_frozen(ip, model)
        for run in late if not nothing_new else ():
            unsure = frozenset({DOUBT}) if _only_some_frozen(ip, run) else ALWAYS
            before = _frozen_before(ip, run)
            ip.happen(run, TrainableSet(ip.at(node, guard | unsure), trainable, before))
        frozen = _FROZEN.of(ip).setdefault(model, set())
        if not late and not trainable:
            frozen.add(which)
            _note_head(ip, model, node)
        elif not late and not ip.conditional and which is not None:
            frozen.discard(which)
        elif not late and not ip.conditional and not part:
            frozen.clear()
        whole = _WHOLLY.of(ip)
        if trainable:
            whole.pop(model, None)
        elif not part and not ip.conditional:
            whole[model] = guard | ip.path


def _decided_one_by_one(ip: Interpreter, target: cst.CSTNode) -> cst.BaseExpression | None:
    """``"fc" in name`` of ``p.requires_grad = "fc" in name``, where a loop gives the names or counts."""
    loops = _loops_around(ip, target)
    if not loops:
        return None
    called_with = target.args[0].value if isinstance(target, cst.Call) and target.args else None
    value = called_with or assigned_to(loops[-1].body, target)
    given = names_in(*(loop.target for loop in loops))
    return value if value is not None and not given.isdisjoint(names_in(value)) else None


def _loops_around(ip: Interpreter, node: cst.CSTNode) -> list[cst.For]:
    """The ``for`` loops of the same function around a node, the outermost first."""
    loops = [turn.loop.node for turn in ip.loops]
    return [loop for loop in loops if isinstance(loop, cst.For) and contains(loop, node)]


def _choose_some(
    ip: Interpreter,
    models: frozenset[Atom],
    node: cst.CSTNode,
    value: cst.BaseExpression,
    there: Collection[TrainingRun],
    guard: Guard,
) -> None:
    """A choice is made among the parameters of some models: another than the last time, where it is made
    of other values then, or of the number of the epoch."""
    known = names_in(value) - names_in(*(loop.target for loop in _loops_around(ip, node)))
    made_of = tuple(ip.store.get(ip.frame.owner, name) for name in sorted(known))
    again = _CHOSEN_BY.of(ip).setdefault(node, made_of)
    for model in models:
        for run in runs_of_model(ip, model):
            changed = made_of != again or _by_the_epoch(ip, node, value)
            if run in there and changed and _frozen_before(ip, run):
                ip.happen(run, TrainableSet(ip.at(node, guard | {DOUBT}), True, before=True))
    _freeze_some(ip, [m for m in models if not any(run in there for run in runs_of_model(ip, m))], node)


def _by_the_epoch(ip: Interpreter, target: cst.CSTNode, value: cst.BaseExpression) -> bool:
    """Whether ``epoch >= 2`` decides, which a loop around counts that does not go over parts of the model."""
    loops = _loops_around(ip, target)
    parts = names_in(target.func if isinstance(target, cst.Call) else target)
    parts = parts.union(*(names_in(loop.iter) for loop in loops))
    counted = {
        name for loop in loops if names_in(loop.target) == (names := counters_of(loop)) for name in names
    }
    return not names_in(value).isdisjoint(counted - parts)


def _freeze_some(ip: Interpreter, models: Iterable[Atom], node: cst.CSTNode) -> None:
    """Some parameters are frozen and the others trained, by their names."""
    for model in models:
        _note_head(ip, model, node)
        _FROZEN.of(ip)[model] = {_SOME}
        _WHOLLY.of(ip).pop(model, None)


def _note_head(ip: Interpreter, model: Atom, node: cst.CSTNode) -> None:
    """Remember whether the names that a loop asks for, where it freezes, are those of heads alone."""
    loops = _loops_around(ip, node)
    asked = (
        [n.evaluated_value for n in every(loops[0].body) if isinstance(n, cst.SimpleString)] if loops else []
    )
    heads = bool(asked) and all(str(name).strip(".").partition(".")[0] in _HEADS for name in asked)
    (_BY_THEIR_HEAD.of(ip).add if heads else _BY_THEIR_HEAD.of(ip).discard)(model)


def trains_its_head_alone(ip: Interpreter, model: Atom) -> bool:
    """Whether all of a model but its head is frozen, as the names say that a loop asks for."""
    return model in _BY_THEIR_HEAD.of(ip)


def partly_frozen(ip: Interpreter, model: Atom) -> bool:
    """Whether some of a model's parameters were frozen, and it is not known of which layers."""
    return bool(_FROZEN.of(ip).get(model)) and not wholly_frozen(ip, model)


def _only_some_frozen(ip: Interpreter, run: TrainingRun) -> bool:
    """Whether names alone decided what was frozen when the run was made: nobody knows of which it is said."""
    frozen = [f for model, f in _FROZEN.of(ip).items() if f and run in runs_of_model(ip, model)]
    return bool(frozen) and all(each == {_SOME} for each in frozen)


def frozen_so_far(ip: Interpreter) -> tuple[Atom, ...]:
    """The models, and layers, some parameters of which were frozen before a run was made of them."""
    return tuple(model for model, frozen in _FROZEN.of(ip).items() if frozen)


def wholly_frozen(ip: Interpreter, model: Atom) -> bool:
    """Whether all that a model has by itself was frozen on the way here, and nothing of it unfrozen since."""
    assumed = _WHOLLY.of(ip).get(model)
    return assumed is not None and assumed <= ip.path


def _frozen_before(ip: Interpreter, run: TrainingRun) -> bool:
    """Whether the run's model, or a part of it, was frozen when the run was not there yet."""
    return any(run in runs_of_model(ip, model) for model in frozen_so_far(ip))


@function("<assign params.requires_grad>")
def _assign(ip: Interpreter, info: CallInfo) -> Value:
    parameters, new = info.positional
    for e in parameters.entries:
        if isinstance(e.atom, Params):
            set_trainable(ip, e.atom.models, info.node, new, e.guard, e.atom.part)
    return NONE


@function("<assign unknown.requires_grad>")
def _assign_of_a_part(ip: Interpreter, info: CallInfo) -> Value:
    """``model[0].weight.requires_grad = False``: one parameter of a layer that is reached by its place."""
    parameter, new = info.positional
    for e in parameter.entries:
        layer = e.atom
        whole = whole_of(layer) if isinstance(layer, Unknown) else None
        if isinstance(layer, Unknown) and whole is not None:
            set_trainable(ip, [whole], info.node, new, e.guard, part=True, which=layer.symbol)
    return NONE
