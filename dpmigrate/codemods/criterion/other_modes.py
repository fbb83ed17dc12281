"""A call that may run in other modes than ghost: the criterion's variable must be there in those, too."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from dpmigrate.analysis.ledger import Unpack
from dpmigrate.codemods.program.binders import binders, bound_by
from dpmigrate.codemods.program.every_way import always_passed
from dpmigrate.codemods.program.facts import Scope
from dpmigrate.codemods.returned.unpack import ResultPlan
from dpmigrate.codemods.returned.upgraded_call import UpgradedCall


class OtherModes:
    """What a new name for the wrapped criterion is where the call returns none."""

    def __init__(self, upgrade: UpgradedCall) -> None:
        self.upgrade = upgrade
        self.facts = upgrade.facts
        self.scope: Scope = upgrade.facts.scope(upgrade.call)
        self.set_at: cst.CSTNode | None = None
        """Before which statement the criterion's variable will be set, whatever the mode."""

    def run_on(self) -> bool:
        """Whether the call may run in another mode, and what follows is not written for ghost mode alone."""
        runs = (*self.upgrade.runs, *self.upgrade.beside)
        others = [e for r in runs if not r.ghost for e in r.happened(Unpack)]
        return self.upgrade.mixed and {e.count for e in others} != {4}

    def have(self, name: str, result: ResultPlan) -> bool:
        """Whether a variable or attribute holds something by the time of the call."""
        facts, line = self.facts, self.facts.position(self.upgrade.call)
        if name.startswith("self."):
            owner = facts.class_of(self.scope)
            targets = facts.inside(owner, cst.AssignTarget) if owner is not None else ()
            taken_apart = {e.origin.node for e in result.unpacks}
            kept = (t for t in targets if facts.parent(t) not in taken_apart)
            return any(facts.code(t.target).strip() == name for t in kept)
        return any(
            name in bound_by(facts, b)
            for b in binders(facts, self.scope)
            if isinstance(b, cst.Param) or facts.position(b) < line
        )

    def bind(self, name: str) -> None:
        """Let a new name be the criterion itself before the call. Raises `Withheld`."""
        call = self.upgrade.call
        given = next((a for a in call.args if a.keyword and a.keyword.value == "criterion"), None)
        statement = self.facts.statement(call)
        if given is None or not isinstance(statement, cst.SimpleStatementLine):
            raise self.upgrade.withheld(
                "this call may also run in another mode, in which the loss could not be made by what "
                "it is given: make the criterion before it, and give it by name"
            )
        module_edits = self.upgrade.edits.of(self.upgrade.module)
        module_edits.insert_before(statement, f"{name} = {self.facts.code(given.value).strip()}")
        self.set_at = statement
        if not isinstance(given.value, (cst.Name, cst.Attribute)):
            module_edits.replace(given.value, name)

    def check_reads(
        self, name: str, scope: Scope, uses: Sequence[cst.CSTNode], handed_on: bool, result: ResultPlan
    ) -> None:
        """Each way to where a scope reads a variable, or hands it on, must set it. Raises `Withheld`."""
        facts = self.facts
        setting = [facts.statement(b) for b in binders(facts, scope) if name in bound_by(facts, b)]
        events = (*result.unpacks, *result.items)
        setting += [facts.statement(e.origin.node) for e in events if facts.scope(e.origin.node) is scope]
        if self.set_at is not None and facts.scope(self.set_at) is scope:
            setting.append(self.set_at)
        if scope in setting or isinstance(scope, cst.Lambda) or always_passed(scope.body, frozenset(setting)):
            return
        blocks = {facts.parent(statement) for statement in setting}
        if handed_on or any(blocks.isdisjoint(facts.above(use)) for use in uses):
            raise self.upgrade.withheld(
                f"{name} comes back in ghost mode alone, and the code after this call reads it in the "
                f"others, too: bind {name} to the plain criterion before the call"
            )
