"""Calls of functional losses, read for the ``torch.nn`` module that computes the same."""

from __future__ import annotations

from collections.abc import Iterable

import libcst as cst

from dpmigrate.codemods.editing.edits import NodeChange, Withheld
from dpmigrate.codemods.editing.listed import with_comments_of, without
from dpmigrate.codemods.losses.homes import same_variables
from dpmigrate.codemods.program.facts import Facts


def functional_arguments(
    facts: Facts, call: cst.Call, at: cst.CSTNode
) -> tuple[list[cst.Arg], list[str], str]:
    """The inputs of a functional loss, its module's arguments as written ``at`` a place, its reduction."""
    module = facts.module_of(call)
    inputs: list[cst.Arg] = []
    others: list[cst.Arg] = []
    reduction = "mean"
    for arg in call.args:
        keyword = arg.keyword.value if arg.keyword is not None else None
        if arg.star:
            raise Withheld(
                "this loss takes its arguments from a * or **: write them out, and the move can be made",
                module,
                call,
            )
        if keyword in (None, "input", "target"):
            inputs.append(arg)
        elif keyword == "reduction":
            if not isinstance(arg.value, cst.SimpleString):
                raise Withheld('reduction= of this loss is no literal: write "none" or "mean"', module, call)
            reduction = str(arg.value.evaluated_value)
        elif keyword in ("reduce", "size_average"):
            raise Withheld(
                f"{keyword}= of this loss is deprecated in torch: write reduction= in its place", module, call
            )
        else:
            others.append(arg)
    if len(inputs) != 2:
        raise Withheld(
            "this loss is given more than input and target by position: name the other arguments "
            "(weight=...)",
            module,
            call,
        )
    return inputs, portable_arguments(facts, others, at), reduction


def portable_arguments(facts: Facts, args: Iterable[cst.Arg], at: cst.CSTNode) -> list[str]:
    """Keyword arguments but ``reduction`` as text, where they mean the same ``at`` another place.

    Raises `Withheld` for others: for positional ones, too, whose meaning depends on the class.
    """
    texts = []
    for arg in args:
        keyword = arg.keyword.value if arg.keyword is not None else None
        if keyword == "reduction":
            continue
        if keyword is None or not same_variables(facts, arg.value, at):
            raise Withheld(
                f"{facts.code(arg).strip().rstrip(',')} cannot be moved to where make_private is called, "
                "which makes the criterion: set it before that call, under one name",
                facts.module_of(arg),
                arg,
            )
        texts.append(f"{keyword}={facts.code(arg.value).strip()}")
    return texts


def becomes_call_of(name: str) -> NodeChange:
    """``F.cross_entropy(a, b, reduction="none")`` becomes ``criterion(a, b)``."""

    def change(new: cst.CSTNode) -> cst.CSTNode:
        assert isinstance(new, cst.Call)
        order = {"input": 0, "target": 1}
        inputs = [a for a in new.args if a.keyword is None or a.keyword.value in order]
        inputs.sort(key=lambda a: order[a.keyword.value] if a.keyword is not None else 0)
        kept: list[cst.Arg] = list(new.args)
        for gone in [a for a in new.args if a not in inputs]:
            kept = without(kept, next(i for i, a in enumerate(kept) if a.value is gone.value))
        # The layout stays where it is: only what stands in it changes places, and the comment after it.
        kept = [
            at.with_changes(value=a.value, keyword=None, equal=cst.MaybeSentinel.DEFAULT)
            for at, a in zip(with_comments_of(kept, inputs), inputs, strict=True)
        ]
        return new.with_changes(func=cst.parse_expression(name), args=kept)

    return change
