"""Three targets become four: what ghost ``make_private`` returns since Opacus 1.5.3.

(model, optimizer, criterion, loader) in a ghost mode, three in every other: where a call may run
in both, its result is kept in a variable and taken apart by mode.
"""

from __future__ import annotations

from functools import partial

import libcst as cst

from dpmigrate.analysis.ledger import ItemTaken, Unpack
from dpmigrate.codemods.editing.edits import ProjectEdits, Withheld
from dpmigrate.codemods.editing.nodes import add_element, with_element
from dpmigrate.codemods.program.facts import Facts, Scope
from dpmigrate.codemods.program.places import fresh_name
from dpmigrate.codemods.returned.annotations import result_annotations
from dpmigrate.codemods.returned.result import UNUSUAL, Result, Targets
from dpmigrate.codemods.returned.spread import fill, third_parameter_free, with_parameter
from dpmigrate.codemods.returned.upgraded_call import UpgradedCall


def take_criterion(result: Result, target: str) -> ProjectEdits:
    """The fourth target, wherever the result is taken apart; or the third of four, renamed.

    ``target`` is the variable or attribute that the wrapped criterion gets. Raises `Withheld`.
    """
    upgrade, facts = result.upgrade, result.facts
    edits = ProjectEdits()
    if not upgrade.mixed:
        edits.extend(result_annotations(facts, upgrade.call))
    for event in result.unpacks:
        edits.extend(_by_targets(result, event, target))
    for function, place in result.receivers.items():
        third_parameter_free(facts, function, target)
        takes_it = partial(with_parameter, place=place, name=target)
        edits.of(facts.module_of(function)).change(function, takes_it)
    for record in result.records.values():
        edits.extend(fill(upgrade, record, target))
    edits.extend(_by_number(result, target))
    return edits


def _by_targets(result: Result, event: Unpack, target: str) -> ProjectEdits:
    """``model, optimizer, criterion, loader = ...`` at one place."""
    targets, edits = result.targets(event), ProjectEdits()
    module_edits = edits.of(event.origin.module)
    if result.has_criterion(event):
        third = targets.elements[2].value
        if result.facts.code(third).strip() != target:
            module_edits.replace(third, target)
    elif result.upgrade.mixed:
        edits.extend(_by_mode(result.upgrade, event, targets, target))
    elif event.star is not None and (beside := result.beside_star(event)) is not None:
        apart, place = beside
        module_edits.change(apart, with_element(place, target))
    else:
        module_edits.change(targets, lambda new: add_element(new, 2, target))
    return edits


def _by_number(result: Result, target: str) -> ProjectEdits:
    """``result[2]`` into the target, before the first that is taken; the others by their new numbers."""
    facts, edits = result.facts, ProjectEdits()
    named = _named_where_kept(result, target, edits)
    # Where a criterion is given the code knows that there are four: its indices are right.
    written_for_four = all(r.argument("criterion") for r in result.upgrade.ghost)
    for event in result.items:
        node = event.origin.node
        assert isinstance(node, cst.Subscript) and isinstance(event, ItemTaken)
        module_edits = edits.of(event.origin.module)
        index = event.index
        text = facts.code(node.value).strip()
        if index in (2, -1) and not named:
            line = f"{target} = {text}[2]"
            by_mode = f"if len({text}) == 4:\n    {line}" if result.upgrade.mixed else line
            module_edits.insert_before(facts.statement(node), by_mode)
            named = True
        if written_for_four:
            continue
        new_number = {2: "-1", -3: "0", -2: "1"}.get(index) if isinstance(index, int) else None
        if new_number is not None:
            module_edits.change(node.slice[0], partial(_numbered, text=new_number))
    if result.items and not result.unpacks and not named:
        raise result.upgrade.withheld(
            "only some elements of what this call returns are taken by number: write model, optimizer, "
            "criterion, loader = ... here, since the criterion stands third now"
        )
    return edits


def _named_where_kept(result: Result, target: str, edits: ProjectEdits) -> bool:
    """Name the criterion where the result is kept in a variable that other functions read by number."""
    facts, call = result.facts, result.upgrade.call
    assign = facts.parent(call)
    nodes = [event.origin.node for event in result.items]
    if not isinstance(assign, cst.Assign) or len(assign.targets) != 1 or not nodes:
        return False
    text = facts.code(assign.targets[0].target).strip()
    read = {facts.code(node.value).strip() for node in nodes if isinstance(node, cst.Subscript)}
    if read != {text} or any(facts.scope(node) is facts.scope(call) for node in nodes):
        return False
    line = f"{target} = {text}[2]"
    by_mode = f"if len({text}) == 4:\n    {line}" if result.upgrade.mixed else line
    edits.of(result.upgrade.module).insert_after(facts.statement(call), by_mode)
    return True


def _by_mode(upgrade: UpgradedCall, event: Unpack, targets: Targets, target: str) -> ProjectEdits:
    """The result in a variable, and taken apart by the mode that the call ran in."""
    facts, edits = upgrade.facts, ProjectEdits()
    assign = facts.nearest(targets, cst.Assign)
    if (
        not isinstance(assign, cst.Assign)
        or len(assign.targets) > 1
        or assign.targets[0].target is not targets
    ):
        raise Withheld(UNUSUAL, event.origin.module, targets)
    module_edits = edits.of(event.origin.module)
    scope = facts.scope(targets)
    three = facts.code(targets).strip()
    four = _with_third(targets, target, facts)
    if isinstance(assign.value, cst.Name):
        held = assign.value.value
        module_edits.remove(facts.removable(targets))
    else:
        held = fresh_name(facts, scope, "private", "private_objects")
        module_edits.replace(targets, held)
    test = _test(upgrade, scope, held)
    module_edits.insert_after(
        facts.statement(targets), f"if {test}:\n    {four} = {held}\nelse:\n    {three} = {held}\n"
    )
    return edits


def _test(upgrade: UpgradedCall, scope: Scope, held: str) -> str:
    """The condition under which there are four: the call's own mode, where it can be read again."""
    call, facts = upgrade.call, upgrade.facts
    mode = next((a.value for a in call.args if a.keyword and a.keyword.value == "grad_sample_mode"), None)
    modes = {r.mode for r in upgrade.ghost}
    if mode is not None and facts.scope(call) is scope and modes == {"ghost"} and _readable(mode):
        return f"{facts.code(mode).strip()} == {_quoted(upgrade, 'ghost')}"
    return f"len({held}) == 4"


def _quoted(upgrade: UpgradedCall, text: str) -> str:
    quotes = [n.quote for n in upgrade.facts.inside(upgrade.call, cst.SimpleString)]
    quote = quotes[0] if quotes and quotes[0] in ("'", '"') else '"'
    return f"{quote}{text}{quote}"


def _readable(node: cst.BaseExpression) -> bool:
    """Whether reading an expression again gives the same and does nothing."""
    if isinstance(node, cst.Attribute):
        return _readable(node.value)
    return isinstance(node, cst.Name)


def _with_third(targets: Targets, target: str, facts: Facts) -> str:
    parts = [
        ("*" if isinstance(e, cst.StarredElement) else "") + facts.code(e.value).strip()
        for e in targets.elements
    ]
    return ", ".join([*parts[:2], target, *parts[2:]])


def _numbered(new: cst.CSTNode, text: str) -> cst.CSTNode:
    assert isinstance(new, cst.SubscriptElement)
    return new.with_changes(slice=cst.Index(cst.parse_expression(text)))
