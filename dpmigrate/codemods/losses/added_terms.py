"""Arithmetic on losses that go backward: what to write instead, which hangs on what is added."""

from __future__ import annotations

import libcst as cst

from dpmigrate.codemods.program.facts import Facts

_SCALING = (cst.Multiply, cst.Divide)
_LONGEST = 60


def reason_of_arithmetic(facts: Facts, node: cst.BinaryOperation) -> str:
    """Why losses with arithmetic on them are left alone, and the edit by hand: which term goes where."""
    if isinstance(node.operator, _SCALING):
        return (
            f"the losses are scaled before they go backward (`{_shown(facts, node)}`): leave the factor out "
            "where it averages over accumulated batches, which the optimizer does itself, or else put it "
            "into the forward of the criterion that make_private is given"
        )
    of_parameters = [side for side in (node.left, node.right) if "parameters()" in facts.code(side)]
    if len(of_parameters) == 1:
        return (
            "terms are added to the losses before they go backward: leave out "
            f"`{_shown(facts, of_parameters[0])}`, which is of the parameters alone and of no example, and "
            "give the optimizer weight_decay=..."
        )
    return (
        f"terms are added to the losses before they go backward (`{_shown(facts, node)}`): write one "
        "criterion whose forward gives the whole, a value for each example, and give it to make_private "
        "(criterion=)"
    )


def _shown(facts: Facts, node: cst.CSTNode) -> str:
    text = " ".join(facts.code(node).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
