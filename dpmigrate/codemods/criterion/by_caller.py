"""A helper that makes private what its callers train: each hands on its own criterion, and gets it back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import libcst as cst

from dpmigrate.analysis.ledger import Thing
from dpmigrate.analysis.ledger.expressions import Instance
from dpmigrate.codemods.criterion.own import binding, calls_of, check, lifted, reduction_of
from dpmigrate.codemods.criterion.wrapping import Wrapped, Wrapping
from dpmigrate.codemods.editing.edits import ProjectEdits, Withheld
from dpmigrate.codemods.editing.imports import spelled
from dpmigrate.codemods.editing.nodes import (
    add_argument,
    add_parameter,
    name_of,
    remove_argument,
    with_element,
)
from dpmigrate.codemods.losses.origins import is_object
from dpmigrate.codemods.program.assignments import target_text
from dpmigrate.codemods.program.facts import Facts, Scope, making_node
from dpmigrate.codemods.program.places import fresh_name
from dpmigrate.codemods.program.ways import make_before
from dpmigrate.codemods.returned.alternatives import give_alternatives
from dpmigrate.codemods.returned.annotations import lengthen, result_annotations
from dpmigrate.codemods.returned.upgraded_call import UpgradedCall


@dataclass(frozen=True, eq=False)
class _Caller:
    """One call of the helper, and the criterion of its scope; None where it makes no losses."""

    call: cst.Call
    scope: Scope
    made: cst.Call | None
    name: str


def each_caller_hands_on(wrapping: Wrapping) -> Wrapped:
    """The criterion of each caller of the helper, handed on to it and taken back. Raises `Withheld`."""
    upgrade, facts = wrapping.upgrade, wrapping.facts
    helper, call = upgrade.scope, upgrade.call
    if not isinstance(helper, cst.FunctionDef) or upgrade.mixed or upgrade.adaptive:
        raise _unusual(upgrade)
    makers = _makers(wrapping)
    per_example = {reduction_of(upgrade, maker, made) == "none" for made, maker in makers.items()}
    making_losses = calls_of(upgrade, makers)
    if len(per_example) != 1 or making_losses.shared is not None:
        raise _unusual(upgrade)
    callers = _callers(upgrade, helper, makers)
    edits = ProjectEdits()
    for made, maker in makers.items():
        if binding(facts, made) is not None:
            edits.extend(lifted(upgrade, maker, made))
    name = fresh_name(facts, helper, "criterion", "loss_fn")
    module_edits = edits.of(upgrade.module)
    module_edits.change(helper, lambda new: add_parameter(new, name))
    module_edits.change(call, lambda new: add_argument(new, "criterion", name, ("module", "optimizer")))
    for caller in callers:
        edits.extend(_hand_on(upgrade, caller, name))
    edits.extend(_take_back(wrapping, callers, helper, name))
    reduced = per_example == {False}
    return Wrapped(edits, tuple((made, reduced) for made in making_losses.calls), name)


def _unusual(upgrade: UpgradedCall) -> Withheld:
    return upgrade.withheld(
        "not every caller of this function has one criterion of its own, in a variable: let each hand "
        "its own on, give it to this call (criterion=), and return the third object that the call returns"
    )


def _makers(wrapping: Wrapping) -> dict[cst.Call, Thing]:
    """The criteria of all callers, by the call that makes each."""
    facts = wrapping.facts
    makers: dict[cst.Call, Thing] = {}
    for maker in (m for site in wrapping.sites for m in site.makers):
        made = making_node(maker) if isinstance(maker, Thing) and is_object(maker) else None
        if not isinstance(maker, Thing) or not isinstance(made, cst.Call) or not facts.knows(made):
            raise _unusual(wrapping.upgrade)
        check(facts, maker)
        makers[made] = maker
    if not makers:
        raise _unusual(wrapping.upgrade)
    return makers


def _callers(
    upgrade: UpgradedCall, helper: cst.FunctionDef, makers: Mapping[cst.Call, Thing]
) -> list[_Caller]:
    """Every call of the helper with the one criterion that is made in its scope."""
    facts = upgrade.facts
    by_scope: dict[Scope, cst.Call] = {}
    for made, maker in makers.items():
        home = binding(facts, made)
        named = home is not None and target_text(facts, home).isidentifier()
        if not (named or _is_argument(facts, maker, made)) or facts.scope(made) in by_scope:
            raise _unusual(upgrade)
        by_scope[facts.scope(made)] = made
    callers = []
    for call, _ in facts.callers.get(helper, ()):
        if not isinstance(call, cst.Call) or name_of(call.func) != helper.name.value:
            raise _unusual(upgrade)
        made_there = by_scope.get(facts.scope(call))
        callers.append(_Caller(call, facts.scope(call), made_there, _name(facts, made_there)))
    scopes = {caller.scope for caller in callers}
    if len(scopes) != len(callers) or not by_scope.keys() <= scopes or helper in scopes:
        raise _unusual(upgrade)
    return callers


def _is_argument(facts: Facts, maker: Thing, made: cst.Call) -> bool:
    """Whether one of torch's criteria is made among the arguments of a call, of nothing but literals."""
    of_torch = maker.kind == "criterion" and not isinstance(maker, Instance)
    literal = all(a.keyword and isinstance(a.value, (cst.SimpleString, cst.BaseNumber)) for a in made.args)
    return of_torch and literal and isinstance(facts.parent(made), cst.Arg)


def _name(facts: Facts, made: cst.Call | None) -> str:
    """The variable of a caller's criterion, a new one where it has none."""
    home = binding(facts, made) if made is not None else None
    if home is not None:
        return target_text(facts, home)
    if made is None:
        return "_"
    return fresh_name(facts, facts.scope(made), "criterion", "loss_fn")


def _put_before(upgrade: UpgradedCall, made: cst.Call, caller: _Caller) -> ProjectEdits:
    """A line for a criterion that is made among the arguments of a later call. Raises `Withheld`."""
    facts, edits = upgrade.facts, ProjectEdits()
    anchor, blocks = facts.statement(caller.call), set(facts.above(made))
    if not facts.is_before(caller.call, made) or facts.parent(anchor) not in blocks or anchor in blocks:
        raise _unusual(upgrade)
    module, wanted = facts.module_of(made), upgrade.loss_reduction
    without_reduction = remove_argument(made, "reduction")
    if wanted != "mean":
        without_reduction = add_argument(without_reduction, "reduction", f'"{wanted}"', ())
    text = module.tree.code_for_node(without_reduction)
    edits.of(module).insert_before(anchor, f"{caller.name} = {text}")
    edits.of(module).replace(made, caller.name)
    return edits


def _hand_on(upgrade: UpgradedCall, caller: _Caller, parameter: str) -> ProjectEdits:
    """Give a call of the helper its scope's criterion, or one that stands for the default of Opacus."""
    facts, edits = upgrade.facts, ProjectEdits()
    module_edits = edits.of(facts.module_of(caller.call))
    text = caller.name
    home = binding(facts, caller.made) if caller.made is not None else None
    if home is not None:
        edits.extend(make_before(facts, home, caller.call))
    elif caller.made is not None:
        edits.extend(_put_before(upgrade, caller.made, caller))
    else:
        text = f"{spelled(module_edits, 'torch.nn', 'CrossEntropyLoss')}()"
    module_edits.change(caller.call, lambda new: add_argument(new, parameter, text, ()))
    return edits


def _take_back(
    wrapping: Wrapping, callers: Sequence[_Caller], helper: cst.FunctionDef, name: str
) -> ProjectEdits:
    """Make three four where the result is taken apart: in each caller, or in the helper, too."""
    upgrade, facts, result = wrapping.upgrade, wrapping.facts, wrapping.result
    if result.items or result.receivers:
        raise _unusual(upgrade)
    edits = result_annotations(facts, upgrade.call)
    names = {caller.scope: caller.name for caller in callers}
    for event in result.unpacks:
        scope = facts.scope(event.origin.node)
        target = name if scope is helper else names.get(scope)
        if target is None or event.count != 3 or event.star is not None:
            raise _unusual(upgrade)
        edits.extend(give_alternatives(facts, event, target, lambda _: False))
        edits.of(event.origin.module).change(result.targets(event), with_element(2, target))
    if any(facts.scope(event.origin.node) is helper for event in result.unpacks):
        edits.extend(_return_as_well(upgrade, callers, helper, name))
    return edits


def _return_as_well(
    upgrade: UpgradedCall, callers: Sequence[_Caller], helper: cst.FunctionDef, name: str
) -> ProjectEdits:
    """One value more in the tuple that the helper returns, after the optimizer, and for its callers."""
    facts, edits = upgrade.facts, ProjectEdits()
    returned = [r.value for r in facts.own(helper, cst.Return) if r.value is not None]
    value = returned[0] if len(returned) == 1 else None
    if not isinstance(value, cst.Tuple) or any(
        isinstance(e.value, cst.StarredElement) for e in value.elements
    ):
        raise _unusual(upgrade)
    count = len(value.elements)
    optimizers = (i + 1 for i, e in enumerate(value.elements) if facts.is_a(e.value, "dp-optimizer"))
    place = next(optimizers, count)
    edits.of(upgrade.module).change(value, with_element(place, name))
    if helper.returns is not None:
        edits.extend(lengthen(facts, helper.returns, count, place))
    for caller in callers:
        assign = facts.parent(caller.call)
        alone = isinstance(assign, cst.Assign) and len(assign.targets) == 1
        taken = assign.targets[0].target if isinstance(assign, cst.Assign) and alone else None
        if not isinstance(taken, (cst.Tuple, cst.List)) or len(taken.elements) != count:
            raise _unusual(upgrade)
        edits.of(facts.module_of(taken)).change(taken, with_element(place, caller.name))
    return edits
