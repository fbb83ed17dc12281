"""A criterion that is made among the arguments of a call: the line and the variable that it gets."""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from dpmigrate.codemods.criterion.kept import Kept, built
from dpmigrate.codemods.editing.edits import ProjectEdits
from dpmigrate.codemods.program.binders import binders, bound_by
from dpmigrate.codemods.program.facts import Facts, Scope
from dpmigrate.codemods.program.places import fresh_name, parameter_of, variables_in
from dpmigrate.codemods.program.ways import leading_calls
from dpmigrate.codemods.returned.upgraded_call import UpgradedCall


@dataclass(frozen=True)
class OwnLine:
    """Where the criterion gets its line, and under which name."""

    made: cst.Call
    anchor: cst.SimpleStatementLine
    name: str
    scope: Scope

    def written(self, upgrade: UpgradedCall, kept: Kept) -> ProjectEdits:
        """The line, and the name in the criterion's place. Raises `Withheld`."""
        code, edits = built(upgrade, kept, self.anchor)
        module_edits = edits.of(upgrade.facts.module_of(self.made))
        module_edits.insert_before(self.anchor, f"{self.name} = {code}")
        module_edits.replace(self.made, self.name)
        return edits


def own_line(upgrade: UpgradedCall, kept: Kept) -> OwnLine | None:
    """A line before what leads to ``make_private``, for ``fit(model, optimizer, nn.CrossEntropyLoss())``."""
    facts = upgrade.facts
    if kept.name or upgrade.apart or len(kept.constructors) != 1:
        return None
    made = kept.constructors[0]
    arg = facts.parent(made)
    call = facts.parent(arg) if isinstance(arg, cst.Arg) else None
    if not isinstance(arg, cst.Arg) or not isinstance(call, cst.Call) or not facts.functions_entered(call):
        return None
    scope = facts.scope(made)
    leading = leading_calls(facts, scope, facts.scope(upgrade.call))
    first = upgrade.call if scope is facts.scope(upgrade.call) else leading[0] if leading else None
    if first is None or not facts.is_before(first, made):
        return None
    anchor = facts.statement(first)
    if not isinstance(anchor, cst.SimpleStatementLine) or facts.parent(anchor) not in set(facts.above(made)):
        return None
    return OwnLine(made, anchor, _name(facts, call, arg, scope), scope)


def _name(facts: Facts, call: cst.Call, arg: cst.Arg, scope: Scope) -> str:
    """The parameter's own name where the scope has no other use for it."""
    wanted = parameter_of(facts, facts.functions_entered(call)[0].node, call, arg)
    taken = {name for binder in binders(facts, scope) for name in bound_by(facts, binder)}
    if not isinstance(scope, cst.Module):
        taken |= variables_in(facts, scope)
    return wanted if wanted and wanted not in taken else fresh_name(facts, scope, "criterion", "loss_fn")
