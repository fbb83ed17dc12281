"""A ghost model and optimizer made without an engine: their criterion gets the wrapper of Opacus 1.5.3.

``DPLossFastGradientClipping(model, optimizer, criterion)`` makes losses whose ``backward()`` does
both passes; an engine wraps the criterion itself.
"""

from __future__ import annotations

import libcst as cst

from dpmigrate.analysis.ledger.expressions import OfRun
from dpmigrate.codemods.criterion.upgraded import CriterionPlan
from dpmigrate.codemods.editing.imports import spelling
from dpmigrate.codemods.program.assignments import Home, homes_in, target_text
from dpmigrate.codemods.returned.upgraded_call import UpgradedCall

PACKAGE = "opacus.utils.fast_gradient_clipping_utils"
WRAPPER = "DPLossFastGradientClipping"


def wrap_criterion(upgrade: UpgradedCall, criterion: CriterionPlan) -> None:
    """Plan the wrapping where model, optimizer and criterion meet. Raises `Withheld`."""
    facts = upgrade.facts
    constructor, name = criterion.own_constructor()
    scope = facts.scope(upgrade.call)
    parts = {kind: _assigned(upgrade, scope, kind) for kind in ("dp-model", "dp-optimizer")}
    if facts.scope(constructor) is not scope:
        raise upgrade.withheld(
            f"the criterion is not made where model and optimizer are: wrap it in "
            f"{WRAPPER}(model, optimizer, criterion) there"
        )
    module_edits = upgrade.edits.of(upgrade.module)
    text, needed = spelling(upgrade.module.tree, PACKAGE, WRAPPER)
    if needed is not None:
        text, needed = WRAPPER, f"from {PACKAGE} import {WRAPPER}"
        module_edits.need_import(needed)
    (model, _), (optimizer, last) = parts["dp-model"], parts["dp-optimizer"]
    if facts.position(constructor) > facts.position(last):

        def change(new: cst.CSTNode) -> cst.CSTNode:
            assert isinstance(new, cst.Call)
            wrapped = cst.parse_expression(f"{text}({model}, {optimizer}, x)")
            assert isinstance(wrapped, cst.Call)
            args = [*wrapped.args[:-1], wrapped.args[-1].with_changes(value=new)]
            return wrapped.with_changes(args=args)

        module_edits.change(constructor, change)
    else:
        module_edits.insert_after(facts.statement(last), f"{name} = {text}({model}, {optimizer}, {name})")


def _assigned(upgrade: UpgradedCall, scope: cst.CSTNode, kind: str) -> tuple[str, Home]:
    """The variable that holds a part of the run in a scope, and its assignment."""
    facts = upgrade.facts
    runs = [run.key for run in upgrade.ghost]
    for assign in homes_in(facts, scope, own=True):
        text = target_text(facts, assign)
        for held in facts.held(assign.value) if assign.value is not None else ():
            if text and isinstance(held, OfRun) and held.kind == kind and held.run in runs:
                return text, assign
    raise upgrade.withheld(
        "the ghost model and its optimizer are made in different functions, or kept in no variable: make "
        "them beside each other, and wrap the criterion there in DPLossFastGradientClipping(model, "
        "optimizer, criterion)"
    )
