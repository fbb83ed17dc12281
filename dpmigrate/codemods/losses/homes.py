"""The variable by which a criterion is called, followed back to where it gets its value."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import libcst as cst

from dpmigrate.analysis.ledger import What
from dpmigrate.codemods.losses.origins import argument_for
from dpmigrate.codemods.program.assignments import Home, homes_in, target_text
from dpmigrate.codemods.program.binders import Binder, binders, bound_by
from dpmigrate.codemods.program.facts import Facts, Scope

MAX_DEPTH = 6


def homes_of(facts: Facts, func: cst.BaseExpression, makers: Collection[What]) -> list[Home]:
    """The assignments of one variable that give a called name or attribute some criteria.

    Through parameters back to what callers give, through enclosing functions, and for ``self.x``
    in the class. Empty where that is not plain, or where it leads to several variables.
    """
    homes = list(dict.fromkeys(_homes(facts, func, frozenset(makers), MAX_DEPTH)))
    variables = {(facts.scope(a), target_text(facts, a)) for a in homes}
    return homes if len(variables) == 1 else []


def _homes(facts: Facts, node: cst.BaseExpression, makers: frozenset[What], depth: int) -> Iterator[Home]:
    if depth == 0:
        return
    if isinstance(node, cst.Name):
        yield from _of_name(facts, node, facts.scope(node), makers, depth)
    elif isinstance(node, cst.Attribute) and isinstance(node.value, cst.Name) and node.value.value == "self":
        owner = facts.nearest(node, cst.ClassDef)
        if owner is not None:
            yield from _assigned(facts, homes_in(facts, owner), facts.code(node).strip(), makers)


def _of_name(
    facts: Facts, node: cst.Name, scope: Scope, makers: frozenset[What], depth: int
) -> Iterator[Home]:
    while True:
        homes = list(_assigned(facts, homes_in(facts, scope, own=True), node.value, makers))
        if homes or isinstance(scope, cst.Module):
            yield from homes
            return
        if isinstance(scope, cst.FunctionDef):
            given = [
                argument_for(facts, call, scope, node.value)
                for call, _ in facts.callers.get(scope, ())
                if isinstance(call, cst.Call)
            ]
            if any(g is not None for g in given):
                for argument in given:
                    if argument is not None:
                        yield from _homes(facts, argument, makers, depth - 1)
                return
        scope = facts.scope(scope)


def _assigned(facts: Facts, assigns: Iterator[Home], text: str, makers: frozenset[What]) -> Iterator[Home]:
    for assign in assigns:
        value = assign.value if target_text(facts, assign) == text else None
        if value is not None and makers & set(facts.held(value)):
            yield assign


def same_variables(facts: Facts, expression: cst.CSTNode, at: cst.CSTNode) -> bool:
    """Whether every name in an expression means the same, and is bound already, at another place."""
    names = [n for n in facts.inside(expression, cst.Name) if not _is_member(facts, n)]
    return all(_same(facts, name, at) for name in names)


def _is_member(facts: Facts, name: cst.Name) -> bool:
    parent = facts.parent(name)
    if isinstance(parent, cst.Attribute):
        return parent.attr is name
    return isinstance(parent, cst.Arg) and parent.keyword is name


def _same(facts: Facts, name: cst.Name, at: cst.CSTNode) -> bool:
    one, binders = _binding(facts, name.value, facts.scope(name))
    other, _ = _binding(facts, name.value, facts.scope(at))
    if one is None or one is not other:
        return False
    if facts.scope(at) is not one and isinstance(one, cst.Module):
        return len(binders) == 1
    return len(binders) == 1 and facts.position(binders[0]) < facts.position(at)


def _binding(facts: Facts, name: str, scope: Scope) -> tuple[Scope | None, list[Binder]]:
    """The scope that binds a name as seen from a scope, and what binds it there."""
    while True:
        if not isinstance(scope, cst.ClassDef):
            binding = [n for n in binders(facts, scope) if name in bound_by(facts, n)]
            if binding:
                return scope, binding
        if isinstance(scope, cst.Module):
            return None, []
        scope = facts.scope(scope)
