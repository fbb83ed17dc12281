"""Annotations of tuples that hold what ``make_private`` returns: they grow with what they describe."""

from __future__ import annotations

import libcst as cst

from dpmigrate.analysis.source.modules import ModuleInfo
from dpmigrate.codemods.editing.edits import ProjectEdits
from dpmigrate.codemods.editing.imports import bindings
from dpmigrate.codemods.editing.listed import split_comma
from dpmigrate.codemods.editing.nodes import name_of
from dpmigrate.codemods.program.assignments import homes_in, is_bound_by, target_texts
from dpmigrate.codemods.program.facts import Facts

_WRAPPED = ("opacus.utils.fast_gradient_clipping_utils", "DPLossFastGradientClipping")
"""The class of the criterion that ghost ``make_private`` returns."""

_OF_GENERATORS = ("Iterator", "Iterable", "Generator")


def result_annotations(facts: Facts, call: cst.Call) -> ProjectEdits:
    """Make three four wherever a function returns, takes or keeps the result of a call as it came."""
    annotations = facts.once(_of_results).get(call, ())
    return ProjectEdits(*(lengthen(facts, annotation, 3, 2) for annotation in annotations))


def _of_results(facts: Facts) -> dict[cst.CSTNode, list[cst.Annotation]]:
    """By the call that makes a result, the annotations of what holds it."""
    by_call: dict[cst.CSTNode, list[cst.Annotation]] = {}

    def holds(annotation: cst.Annotation | None, *values: cst.CSTNode | None) -> None:
        if annotation is not None:
            made = [facts.made_at(value, "private-result") for value in values if value is not None]
            for call in dict.fromkeys(call for call in made if call is not None):
                by_call.setdefault(call, []).append(annotation)

    for info in facts.modules:
        for function in facts.inside(info.tree, cst.FunctionDef):
            if function.returns is not None:
                holds(function.returns, *(r.value for r in facts.own(function, cst.Return)))
            annotated = [p for p in facts.inside(function.params, cst.Param) if p.annotation is not None]
            names = facts.own(function, cst.Name) if annotated else []
            for param in annotated:
                holds(param.annotation, *(n for n in names if n.value == param.name.value))
        for assign in facts.inside(info.tree, cst.AnnAssign):
            holds(assign.annotation, assign.value)
    return by_call


def lengthen(facts: Facts, annotation: cst.Annotation, count: int, place: int) -> ProjectEdits:
    """Put the class of the wrapped criterion into an annotation of a tuple of ``count`` types."""
    outer = _yielded(_behind_a_name(facts, annotation))
    if not isinstance(outer, cst.Subscript) or name_of(outer.value) not in ("Tuple", "tuple"):
        return ProjectEdits()
    if len(outer.slice) != count or facts.inside(outer, cst.Ellipsis):
        return ProjectEdits()
    module = facts.module_of(annotation)
    text, edits = wrapped_type(module)
    edits.of(module).change(outer, lambda new: _with_type(new, count, place, text))
    return edits


def _yielded(said: cst.BaseExpression) -> cst.BaseExpression:
    """``T`` of ``Iterator[T]``, which a context manager's function is said to return."""
    if isinstance(said, cst.Subscript) and name_of(said.value) in _OF_GENERATORS:
        first = said.slice[0].slice
        return first.value if isinstance(first, cst.Index) else said
    return said


def _behind_a_name(facts: Facts, annotation: cst.Annotation) -> cst.BaseExpression:
    """What an annotation says: the tuple itself, or that of an alias for it alone."""
    named = annotation.annotation
    if not isinstance(named, cst.Name):
        return named
    tree = facts.module_of(annotation).tree
    homes = [home for home in homes_in(facts, tree) if named.value in target_texts(facts, home)]
    read = [n for n in facts.inside(tree, cst.Name) if n.value == named.value and not is_bound_by(facts, n)]
    known = {annotation, *(a for of_call in facts.once(_of_results).values() for a in of_call)}
    alike = all(facts.nearest(n, cst.Annotation) in known for n in read)
    if len(homes) != 1 or facts.scope(homes[0]) is not tree or homes[0].value is None or not alike:
        return named
    return homes[0].value


def wrapped_type(module: ModuleInfo) -> tuple[str, ProjectEdits]:
    """How a module writes the class of the wrapped criterion, with its import where it has none."""
    bound_by_dotted = {dotted: bound for bound, dotted in bindings(module.tree).items()}
    dotted = ".".join(_WRAPPED)
    edits = ProjectEdits()
    if dotted not in bound_by_dotted:
        edits.of(module).need_import(f"from {_WRAPPED[0]} import {_WRAPPED[1]}")
    return bound_by_dotted.get(dotted, _WRAPPED[1]), edits


def _with_type(new: cst.CSTNode, count: int, place: int, text: str) -> cst.CSTNode:
    assert isinstance(new, cst.Subscript)
    parts = list(new.slice)
    if len(parts) != count:
        return new
    before = parts[place - 1]
    added = cst.SubscriptElement(cst.Index(cst.parse_expression(text)), before.comma)
    if isinstance(before.comma, cst.Comma):
        above, below = split_comma(before.comma)
        parts[place - 1] = before.with_changes(comma=above)
        added = added.with_changes(comma=below)
    parts.insert(place, added)
    return new.with_changes(slice=parts)
