"""The `set-to-none` strategy: after each step the first thing done to the gradients makes them None.

Before Opacus 1.5.3 the sum of clipped gradients is the same tensor as ``p.grad``; clearing that
in place clears the sum as well. ``zero_grad(set_to_none=True)`` lets go of it instead.
"""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from dpmigrate.analysis.ledger import FirstTouch, PrivateRun, Stepped
from dpmigrate.codemods.editing.edits import ProjectEdits, Withheld
from dpmigrate.codemods.editing.nodes import add_argument
from dpmigrate.codemods.program.facts import Facts


def set_to_none(facts: Facts, runs: Sequence[PrivateRun]) -> ProjectEdits:
    """All that changes for the runs of one call. Raises `Withheld`."""
    edits = ProjectEdits()
    ghost = [r for r in runs if r.ghost]
    touches = {e.origin.node: e for r in ghost for e in r.happened(FirstTouch) if e.how != "none"}
    if not touches:
        raise Withheld(
            "what first clears the gradients after a step of this run is not seen: call "
            "optimizer.zero_grad(set_to_none=True) right after optimizer.step()",
            runs[0].module,
            runs[0].origin.node,
        )
    needs_insertion = False
    for node, event in touches.items():
        if event.how == "inplace" and isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute):
            if node.func.attr.value != "zero_grad":
                raise Withheld(
                    "the gradients are cleared by hand here: set each p.grad to None, or call "
                    "optimizer.zero_grad(set_to_none=True), in its place",
                    event.origin.module,
                    node,
                )
            if _may_be_spread(node):
                reason = "zero_grad is given arguments that cannot be seen: write set_to_none=True there"
                raise Withheld(reason, event.origin.module, node)
            edits.of(event.origin.module).change(node, _with_none)
        elif event.how == "backward":
            needs_insertion = True
        else:
            raise Withheld(
                "whether this clears the gradients cannot be known: call "
                "optimizer.zero_grad(set_to_none=True) right after optimizer.step()",
                event.origin.module,
                node,
            )
    if needs_insertion:
        edits.extend(_inserted(facts, ghost))
    return edits


def _may_be_spread(call: cst.Call) -> bool:
    """Whether ``set_to_none`` may be among ``*args`` or ``**kwargs``."""
    named = any(a.keyword is not None and a.keyword.value == "set_to_none" for a in call.args)
    return not named and any(a.star for a in call.args)


def _with_none(new: cst.CSTNode) -> cst.CSTNode:
    assert isinstance(new, cst.Call)
    for index, arg in enumerate(new.args):
        if arg.keyword is None or arg.keyword.value == "set_to_none":
            args = list(new.args)
            args[index] = arg.with_changes(value=cst.Name("True"))
            return new.with_changes(args=args)
    return add_argument(new, "set_to_none", "True", ())


def _inserted(facts: Facts, ghost: Sequence[PrivateRun]) -> ProjectEdits:
    """A ``zero_grad(set_to_none=True)`` after every step, where nothing clears the gradients yet."""
    edits = ProjectEdits()
    steps = {e.origin.node: e for r in ghost for e in r.happened(Stepped)}
    if not steps:
        raise Withheld(
            "no step of the optimizer of this run is seen: call optimizer.zero_grad(set_to_none=True) "
            "right after it",
            ghost[0].module,
            ghost[0].origin.node,
        )
    for node, event in steps.items():
        statement = facts.statement(node)
        if (
            not isinstance(node, cst.Call)
            or not isinstance(node.func, cst.Attribute)
            or not isinstance(statement, cst.SimpleStatementLine)
        ):
            raise Withheld(
                "the optimizer is stepped inside another expression: call "
                "optimizer.zero_grad(set_to_none=True) right after it",
                event.origin.module,
                node,
            )
        receiver = facts.code(node.func.value).strip()
        edits.of(event.origin.module).insert_after(statement, f"{receiver}.zero_grad(set_to_none=True)")
    return edits
