"""A ghost model and optimizer made without an engine: their criterion gets the wrapper of Opacus 1.5.3.

``DPLossFastGradientClipping(model, optimizer, criterion)`` makes losses whose ``backward()`` does
both passes; an engine wraps the criterion itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from dpmigrate.analysis.ledger.expressions import Named, OfRun
from dpmigrate.codemods.criterion.kept import Kept, kept_by, lifted
from dpmigrate.codemods.criterion.own import of_another
from dpmigrate.codemods.criterion.upgraded import makes_alike
from dpmigrate.codemods.criterion.wrapping import Wrapped
from dpmigrate.codemods.editing.imports import spelling
from dpmigrate.codemods.losses.origins import LossSite
from dpmigrate.codemods.program.assignments import Home, homes_in, target_text
from dpmigrate.codemods.returned.upgraded_call import UpgradedCall

PACKAGE = "opacus.utils.fast_gradient_clipping_utils"
WRAPPER = "DPLossFastGradientClipping"


def wrap_criterion(upgrade: UpgradedCall, sites: Sequence[LossSite]) -> Wrapped:
    """The wrapping where model, optimizer and criterion meet. Raises `Withheld`.

    ``sites`` are the calls that make the losses.
    """
    facts = upgrade.facts
    kept = _of_the_pair(upgrade, sites)
    edits, constructor = lifted(upgrade, kept), kept.constructors[0]
    scope = upgrade.scope
    model, _ = _assigned(upgrade, scope, "dp-model")
    optimizer, last = _assigned(upgrade, scope, "dp-optimizer")
    if facts.scope(constructor) is not scope:
        raise upgrade.withheld(
            f"the criterion is not made where model and optimizer are: wrap it in "
            f"{WRAPPER}(model, optimizer, criterion) there"
        )
    module_edits = edits.of(upgrade.module)
    text, needed = spelling(upgrade.module.tree, PACKAGE, WRAPPER)
    if needed is not None:
        text, needed = WRAPPER, f"from {PACKAGE} import {WRAPPER}"
        module_edits.need_import(needed)
    if facts.position(constructor) > facts.position(last):

        def change(new: cst.CSTNode) -> cst.CSTNode:
            assert isinstance(new, cst.Call)
            wrapped = cst.parse_expression(f"{text}({model}, {optimizer}, x)")
            assert isinstance(wrapped, cst.Call)
            args = [*wrapped.args[:-1], wrapped.args[-1].with_changes(value=new)]
            return wrapped.with_changes(args=args)

        module_edits.change(constructor, change)
    else:
        wrapped_after = f"{kept.name} = {text}({model}, {optimizer}, {kept.name})"
        module_edits.insert_after(facts.statement(last), wrapped_after)
    return Wrapped(edits, kept.losses, kept.name)


def _of_the_pair(upgrade: UpgradedCall, sites: Sequence[LossSite]) -> Kept:
    """The one criterion of the project that makes the losses, in a variable. Raises `Withheld`."""
    if len({makes_alike(upgrade.facts, s) for s in sites}) != 1 or isinstance(sites[0].maker, Named):
        raise upgrade.withheld(
            "the losses of this pair are made by no one object of the project: make one criterion of "
            "torch.nn, and wrap it in DPLossFastGradientClipping(model, optimizer, criterion)"
        )
    kept = kept_by(upgrade, sites)
    if not kept.name or len(kept.constructors) != 1:
        raise upgrade.withheld(
            "the criterion of this pair has no variable of its own: assign it once, before the loop, so "
            "that it can be wrapped in DPLossFastGradientClipping(model, optimizer, criterion)"
        )
    if kept.shared is not None:
        raise of_another(upgrade.facts, kept.shared)
    return kept


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
