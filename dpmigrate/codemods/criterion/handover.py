"""The criterion that one call is given, and the wrapped one, led from its result to where losses are made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

import libcst as cst

from dpmigrate.codemods.criterion.among_others import kept_among_others, uses_in
from dpmigrate.codemods.criterion.one_for_each import (
    refuse_kept_among_others,
    refuse_last_of_many,
    refuse_member_of_another,
)
from dpmigrate.codemods.criterion.other_modes import check_reads, has_before, run_on
from dpmigrate.codemods.criterion.unconditional import before_conditions
from dpmigrate.codemods.criterion.wrapping import Wrapping
from dpmigrate.codemods.editing.edits import ProjectEdits
from dpmigrate.codemods.editing.nodes import add_argument, with_statement
from dpmigrate.codemods.program.binders import binders, bound_by
from dpmigrate.codemods.program.facts import Scope
from dpmigrate.codemods.program.places import fresh_name, variables_in
from dpmigrate.codemods.program.routes import Routes
from dpmigrate.codemods.program.ways import (
    ancestors,
    calls_lead,
    calls_leading_to,
    declared_global,
    declared_nonlocal,
    is_method,
    is_parameter,
    method_of_torch_module,
    same_class,
)
from dpmigrate.codemods.returned.alternatives import give_alternatives
from dpmigrate.codemods.returned.unpack import take_criterion
from dpmigrate.codemods.returned.upgraded_call import UpgradedCall
from dpmigrate.codemods.returned.way_back import way_back
from dpmigrate.codemods.returned.ways_out import collected_way, given_back, lead_out

NEIGHBOURS = ("module", "optimizer")
"""Keywords after which ``criterion=`` reads well."""
NAMES = ("criterion", "loss_fn", "private_criterion")


def give(upgrade: UpgradedCall, text: str) -> ProjectEdits:
    """Let the call have ``criterion=text``."""
    edits = ProjectEdits()
    edits.of(upgrade.module).change(
        upgrade.call, lambda new: add_argument(new, "criterion", text, NEIGHBOURS)
    )
    return edits


def free_name(wrapping: Wrapping, names: Sequence[str] = NAMES) -> str:
    """The first of some names that is free wherever the wrapped criterion is to be read."""
    facts, upgrade, scopes = wrapping.facts, wrapping.upgrade, wrapping.loss_scopes
    call_scope = upgrade.scope
    if any(s is not call_scope for s in scopes) and all(same_class(facts, s, call_scope) for s in scopes):
        owner = facts.class_of(call_scope)
        assert owner is not None
        classes_above = list(ancestors(facts, owner))
        above = next((s for s in scopes if facts.class_of(s) in classes_above), None)
        if isinstance(above, cst.FunctionDef):
            raise upgrade.withheld(
                f"{above.name.value} (line {facts.position(above)}) makes the losses, and objects of its "
                f"class that are no {owner.name.value} have no wrapped criterion: keep the criterion in a "
                "member before this call, give it as criterion=, and put the third object that comes back "
                "into its place"
            )
        taken = {a.attr.value for a in facts.inside(owner, cst.Attribute)}
        return "self." + next((n for n in names if n not in taken), "dp_criterion")
    taken_apart = wrapping.result.scopes
    ways = [way_back(facts, s, other) for s in taken_apart for other in scopes]
    on_the_way = (s for way in ways if way is not None for s in way.having)
    places = {call_scope, *taken_apart, *scopes, *on_the_way}
    taken = {n for s in places for n in variables_in(facts, s)}
    free = next((n for n in names if n not in taken), None)
    return free or fresh_name(facts, wrapping.upgrade.module.tree, "private_criterion")


def comes_as_member(wrapping: Wrapping, wanted_in: Scope) -> bool:
    """Whether the call fills an object, whose methods alone lead to where losses are made."""
    facts, result = wrapping.facts, wrapping.result
    scopes = result.scopes
    owner = facts.class_of(scopes[0]) if len(scopes) == 1 and is_method(facts, scopes[0]) else None
    targets = [result.targets(event) for event in result.unpacks]
    filled = [facts.code(e.value).strip() for each in targets for e in each.elements]
    if owner is None or not filled or not all(text.startswith("self.") for text in filled):
        return False
    if calls_lead(facts, scopes[0], wanted_in):
        return False
    callers = [facts.scope(call) for call, _ in facts.callers.get(wanted_in, ())]
    return bool(callers) and all(facts.class_of(s) is owner and is_method(facts, s) for s in callers)


def build(
    wrapping: Wrapping, code: str, name: str, read_in: Iterable[Scope], freed: cst.CSTNode | None = None
) -> ProjectEdits:
    """Make a criterion on a line before the call, give it, and lead what comes back to some scopes.

    ``freed`` is the function whose own variable of that name goes. Raises `Withheld`.
    """
    upgrade, facts = wrapping.upgrade, wrapping.facts
    if name.startswith("self.") and not is_method(facts, upgrade.scope):
        return ProjectEdits(give(upgrade, code), receive(wrapping, name, read_in, Routes(facts, freed)))
    if name.startswith("self.") and method_of_torch_module(facts, upgrade.scope):
        if run_on(upgrade):
            raise upgrade.withheld(
                f"{name} would be a module of this one in another mode, whose place the wrapped "
                "criterion cannot take: keep the third object that the call returns outside of it"
            )
        return ProjectEdits(give(upgrade, code), receive(wrapping, name, read_in, Routes(facts, freed)))
    edits = ProjectEdits()
    anchor = before_conditions(facts, upgrade.call, name, code)
    if isinstance(anchor, cst.SimpleStatementSuite):
        place = anchor.body.index(facts.removable(upgrade.call))
        edits.of(upgrade.module).change(anchor, with_statement(place, f"{name} = {code}"))
    elif isinstance(anchor, (cst.SimpleStatementLine, cst.If)):
        edits.of(upgrade.module).insert_before(anchor, f"{name} = {code}")
    else:
        raise upgrade.withheld(
            "make_private is called in the head of a compound statement, before which no criterion can "
            "be made: assign what it returns on a line of its own first"
        )
    edits.extend(give(upgrade, name))
    edits.extend(receive(wrapping, name, read_in, Routes(facts, freed), set_at=anchor))
    return edits


def receive(
    wrapping: Wrapping, name: str, read_in: Iterable[Scope], routes: Routes, set_at: cst.CSTNode | None = None
) -> ProjectEdits:
    """Name the wrapped criterion where the result is taken apart, and lead it to some scopes.

    ``routes`` has the ways on which the variable is led already; ``set_at`` is the statement before which it
    is set by this fix, whatever the mode. Raises `Withheld`.
    """
    edits = name_result(wrapping, name, routes, set_at)
    for wanted_in in read_in:
        if name.startswith("self."):
            _lead_member(wrapping, name, wanted_in, routes)
        else:
            _lead(wrapping, name, wanted_in, routes, set_at)
    edits.extend(routes.edits)
    return edits


def name_result(
    wrapping: Wrapping, name: str, routes: Routes, set_at: cst.CSTNode | None = None
) -> ProjectEdits:
    """Name the wrapped criterion where the result, or what stands for it, is taken apart."""
    edits = ProjectEdits()
    if not wrapping.upgrade.mixed:
        is_there = partial(_is_criterion_at, wrapping, name, routes, set_at)
        for event in wrapping.result.taken_by_three:
            edits.extend(give_alternatives(wrapping.facts, event, name, is_there))
    edits.extend(take_criterion(wrapping.result, name))
    return edits


def _is_criterion_at(
    wrapping: Wrapping, name: str, routes: Routes, set_at: cst.CSTNode | None, at: cst.CSTNode
) -> bool:
    """Whether a variable is the criterion at a place, before the call or beside it."""
    facts, call_scope = wrapping.facts, wrapping.upgrade.scope
    scope = facts.scope(at)
    if scope in routes.routed:
        return True
    if set_at is not None:
        return scope is call_scope and not facts.is_before(at, set_at)
    if name.startswith("self."):
        return same_class(facts, scope, call_scope) and has_before(wrapping.result, name)
    bound = [b for b in binders(facts, scope) if name in bound_by(facts, b)]
    return any(isinstance(b, cst.Param) or facts.is_before(b, at) for b in bound)


def _lead_member(wrapping: Wrapping, name: str, wanted_in: Scope, routes: Routes) -> None:
    """Lead a member of the object that the call fills to a scope of no method. Raises `Withheld`."""
    facts, filled_in = wrapping.facts, wrapping.result.scopes[0]
    uses = [site.call for site in wrapping.sites if facts.scope(site.call) is wanted_in]
    callers = [
        call
        for call, _ in facts.callers.get(wanted_in, ())
        if same_class(facts, facts.scope(call), wanted_in)
    ]
    refuse_member_of_another(facts, wrapping.upgrade.call, name, [*uses, *callers])
    if wanted_in is not wrapping.upgrade.scope:
        refuse_kept_among_others(facts, (e.origin.node for e in wrapping.result.unpacks), name)
    if not same_class(facts, filled_in, wanted_in):
        routes.member_of = facts.class_of(filled_in)
        routes.lead(name.removeprefix("self."), [], wanted_in)


def _lead(
    wrapping: Wrapping, name: str, wanted_in: Scope, routes: Routes, set_at: cst.CSTNode | None
) -> None:
    """Lead the variable from where the result is taken apart to a scope. Raises `Withheld`."""
    facts, sites = wrapping.facts, wrapping.sites
    for scope in wrapping.result.scopes:
        uses = [site.call for site in sites if facts.scope(site.call) is scope]
        check_reads(wrapping.result, name, scope, uses, handed_on=scope is not wanted_in, set_at=set_at)
        events = (*wrapping.result.unpacks, *wrapping.result.items)
        taken_at = [e.origin.node for e in events if facts.scope(e.origin.node) is scope]
        if (among := kept_among_others(wrapping, name, scope, taken_at, wanted_in)) is not None:
            routes.edits.extend(among.edits)
            leading = [s for s in among.sources if s is not wanted_in]
            if leading and wanted_in not in among.sources:
                routes.lead(name, leading, wanted_in)
            continue
        _one_for_each(wrapping, scope, taken_at, wanted_in)
        if scope is wanted_in:
            continue
        if isinstance(scope, cst.Module) and facts.module_of(scope) is facts.module_of(wanted_in):
            continue
        if is_parameter(facts, name, scope) and all(
            calls_lead(facts, scope, facts.scope(site.call)) for site in sites
        ):
            continue
        if declared_global(facts, scope) and wanted_in is facts.module_of(scope).tree:
            continue
        if declared_nonlocal(facts, scope) and wanted_in is facts.scope(scope):
            continue
        way = way_back(facts, scope, wanted_in) or collected_way(facts, scope, wanted_in)
        if way is None:
            routes.lead(name, [scope], wanted_in)
            continue
        calls: list[cst.CSTNode] = [call for each in way.returning for call, _ in facts.callers.get(each, ())]
        needing: list[cst.CSTNode] = [site.call for site in sites]
        needing += calls_leading_to(facts, wanted_in)
        collected: dict[cst.CSTNode, list[cst.BaseExpression]] = {}
        for function in way.returning:
            taken = taken_at if function is scope else [c for c in calls if facts.scope(c) is function]
            refuse_last_of_many(facts, wrapping.upgrade.call, taken, given_back(facts, function))
            collected |= lead_out(routes, name, function, way.having, wrapping.result.records, needing)
        takers: list[cst.CSTNode] = [target for targets in collected.values() for target in targets]
        takers += [c for c in calls if c not in collected]
        sources = [s for s in way.sources if any(facts.scope(t) is s for t in takers)]
        sources += [facts.scope(t) for t in takers if t not in calls]
        for source in dict.fromkeys(sources):
            _one_for_each(wrapping, source, [t for t in takers if facts.scope(t) is source], wanted_in)
        routes.lead(name, list(dict.fromkeys(sources)), wanted_in)


def _one_for_each(
    wrapping: Wrapping, scope: Scope, taken_at: Sequence[cst.CSTNode], wanted_in: Scope
) -> None:
    """What is taken in a loop is used in it, or with the model of the last turn. Raises `Withheld`."""
    facts = wrapping.facts
    refuse_last_of_many(facts, wrapping.upgrade.call, taken_at, uses_in(wrapping, [scope], wanted_in))
