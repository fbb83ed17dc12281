"""Annotations of tuples that hold what ``make_private`` returns: they grow with what they describe."""

from __future__ import annotations

import libcst as cst

from dpmigrate.analysis.modules import ModuleInfo
from dpmigrate.codemods.edits import ProjectEdits
from dpmigrate.codemods.imports import bindings
from dpmigrate.codemods.listed import split
from dpmigrate.codemods.nodes import name_of
from dpmigrate.codemods.program_facts import Facts

_WRAPPED = ("opacus.utils.fast_gradient_clipping_utils", "DPLossFastGradientClipping")
"""The class of the criterion that ghost ``make_private`` returns."""


def result_annotations(facts: Facts, edits: ProjectEdits, call: cst.Call) -> None:
    """Make three four wherever a function returns, takes or keeps the result of a call as it came."""
    for info in facts.modules:
        for function in facts.inside(info.tree, cst.FunctionDef):
            returned = [r.value for r in facts.own(function, cst.Return) if r.value is not None]
            if function.returns is not None and any(
                facts.made_at(v, "private-result") is call for v in returned
            ):
                lengthen(facts, edits, function.returns, 3, 2)
            held = {
                n.value for n in facts.own(function, cst.Name) if facts.made_at(n, "private-result") is call
            }
            for param in facts.inside(function.params, cst.Param):
                if param.annotation is not None and param.name.value in held:
                    lengthen(facts, edits, param.annotation, 3, 2)
        for assign in facts.inside(info.tree, cst.AnnAssign):
            if assign.value is not None and facts.made_at(assign.value, "private-result") is call:
                lengthen(facts, edits, assign.annotation, 3, 2)


def lengthen(facts: Facts, edits: ProjectEdits, annotation: cst.Annotation, count: int, place: int) -> None:
    """Put the class of the wrapped criterion into an annotation of a tuple of ``count`` types."""
    outer = annotation.annotation
    if not isinstance(outer, cst.Subscript) or name_of(outer.value) not in ("Tuple", "tuple"):
        return
    if len(outer.slice) != count or any(
        isinstance(n, cst.Ellipsis) for n in facts.inside(outer, cst.Ellipsis)
    ):
        return
    module = facts.module_of(annotation)
    text = wrapped_type(edits, module)
    edits.of(module).change(outer, lambda new: _with_type(new, count, place, text))


def wrapped_type(edits: ProjectEdits, module: ModuleInfo) -> str:
    """How a module writes the class of the wrapped criterion, which it imports now where it did not."""
    known = {dotted: bound for bound, dotted in bindings(module.tree).items()}
    dotted = ".".join(_WRAPPED)
    if dotted not in known:
        edits.of(module).need_import(f"from {_WRAPPED[0]} import {_WRAPPED[1]}")
    return known.get(dotted, _WRAPPED[1])


def _with_type(new: cst.CSTNode, count: int, place: int, text: str) -> cst.CSTNode:
    assert isinstance(new, cst.Subscript)
    parts = list(new.slice)
    if len(parts) != count:
        return new
    before = parts[place - 1]
    added = cst.SubscriptElement(cst.Index(cst.parse_expression(text)), before.comma)
    if isinstance(before.comma, cst.Comma):
        above, below = split(before.comma)
        parts[place - 1] = before.with_changes(comma=above)
        added = added.with_changes(comma=below)
    parts.insert(place, added)
    return new.with_changes(slice=parts)
