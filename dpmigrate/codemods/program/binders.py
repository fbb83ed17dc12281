"""What binds names in a scope, and which."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from dpmigrate.codemods.program.facts import Facts, Scope

Assigning = cst.AssignTarget | cst.AnnAssign | cst.AugAssign | cst.For | cst.NamedExpr | cst.AsName
Binder = cst.Param | Assigning | cst.Import | cst.ImportFrom | cst.FunctionDef | cst.ClassDef
_KINDS: tuple[type[Binder], ...] = (
    cst.AssignTarget,
    cst.AnnAssign,
    cst.AugAssign,
    cst.For,
    cst.NamedExpr,
    cst.AsName,
    cst.Import,
    cst.ImportFrom,
    cst.FunctionDef,
    cst.ClassDef,
)


def binders(facts: Facts, scope: Scope) -> Iterator[Binder]:
    """Everything that binds a name in a scope, parameters first."""
    if isinstance(scope, (cst.FunctionDef, cst.Lambda)):
        yield from facts.inside(scope.params, cst.Param)
    for kind in _KINDS:
        yield from facts.own(scope, kind)


def bound_by(facts: Facts, node: Binder) -> set[str]:
    """The names that one of the :func:`binders` binds."""
    if isinstance(node, (cst.Import, cst.ImportFrom)):
        if isinstance(node.names, cst.ImportStar):
            return set()
        return {(a.evaluated_alias or a.evaluated_name).partition(".")[0] for a in node.names}
    if isinstance(node, (cst.Param, cst.FunctionDef, cst.ClassDef)):
        return {node.name.value}
    target = node.name if isinstance(node, cst.AsName) else node.target
    if isinstance(target, (cst.Attribute, cst.Subscript)):
        return set()
    return {n.value for n in facts.inside(target, cst.Name)}
