"""A call that may run in other modes than ghost: the criterion's variable must be there in those, too."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from dpmigrate.analysis.ledger import Unpack
from dpmigrate.codemods.editing.edits import ProjectEdits
from dpmigrate.codemods.program.binders import binders, bound_by
from dpmigrate.codemods.program.every_way import always_passed, comes_to, passed_before
from dpmigrate.codemods.program.facts import Scope
from dpmigrate.codemods.returned.result import Result
from dpmigrate.codemods.returned.upgraded_call import UpgradedCall
from dpmigrate.codemods.returned.ways_out import given_back


def run_on(upgrade: UpgradedCall) -> bool:
    """Whether the call may run in another mode, and what follows is not written for ghost mode alone."""
    runs = (*upgrade.runs, *upgrade.beside)
    others = [e for r in runs if not r.ghost for e in r.happened(Unpack)]
    return upgrade.mixed and {e.count for e in others} != {4}


def has_before(result: Result, name: str) -> bool:
    """Whether a variable or attribute holds something by the time of the call."""
    facts, upgrade = result.facts, result.upgrade
    line = facts.position(upgrade.call)
    if name.startswith("self."):
        owner = facts.class_of(upgrade.scope)
        targets = facts.inside(owner, cst.AssignTarget) if owner is not None else ()
        taken_apart = {e.origin.node for e in result.unpacks}
        kept = (t for t in targets if facts.parent(t) not in taken_apart)
        return any(facts.code(t.target).strip() == name for t in kept)
    return any(
        name in bound_by(facts, b)
        for b in binders(facts, upgrade.scope)
        if isinstance(b, cst.Param) or facts.position(b) < line
    )


def bind_before(upgrade: UpgradedCall, name: str) -> tuple[cst.CSTNode, ProjectEdits]:
    """Let a new name be the criterion itself before the call: the statement before which it is set.

    Raises `Withheld`.
    """
    call, facts = upgrade.call, upgrade.facts
    given = next((a for a in call.args if a.keyword and a.keyword.value == "criterion"), None)
    statement = facts.statement(call)
    if given is None or not isinstance(statement, cst.SimpleStatementLine):
        raise upgrade.withheld(
            "this call may also run in another mode, in which the loss could not be made by what "
            "it is given: make the criterion before it, and give it by name"
        )
    edits = ProjectEdits()
    module_edits = edits.of(upgrade.module)
    module_edits.insert_before(statement, f"{name} = {facts.code(given.value).strip()}")
    if not isinstance(given.value, (cst.Name, cst.Attribute)):
        module_edits.replace(given.value, name)
    return statement, edits


def check_reads(
    result: Result,
    name: str,
    scope: Scope,
    uses: Sequence[cst.CSTNode],
    handed_on: bool,
    set_at: cst.CSTNode | None,
) -> None:
    """Each way to where a scope reads a variable, or hands it on, must set it. Raises `Withheld`.

    ``set_at`` is the statement before which this fix sets it.
    """
    facts = result.facts
    setting = [facts.statement(b) for b in binders(facts, scope) if name in bound_by(facts, b)]
    events = (*result.unpacks, *result.items)
    setting += [facts.statement(e.origin.node) for e in events if facts.scope(e.origin.node) is scope]
    if set_at is not None and facts.scope(set_at) is scope:
        setting.append(set_at)
    if scope in setting or isinstance(scope, cst.Lambda):
        return
    in_front = frozenset(setting)
    returned = given_back(facts, scope) if handed_on and isinstance(scope, cst.FunctionDef) else ()
    perhaps_without = (
        any(comes_to(facts, one, end) for one in setting) and not passed_before(facts, end, in_front)
        for end in map(facts.statement, returned)
    )
    if always_passed(scope.body, in_front) and not any(perhaps_without):
        return
    blocks = {facts.parent(statement) for statement in setting}
    if handed_on or any(blocks.isdisjoint(facts.above(use)) for use in uses):
        raise result.upgrade.withheld(
            f"{name} comes back in ghost mode alone, and the code after this call reads it in the "
            f"others, too: bind {name} to the plain criterion before the call"
        )
