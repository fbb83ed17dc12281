"""Names that a scope mentions or has free, the parameter of an argument, a line for what a call returns."""

from __future__ import annotations

from typing import NamedTuple

import libcst as cst

from dpmigrate.codemods.editing.edits import ProjectEdits
from dpmigrate.codemods.editing.nodes import name_of
from dpmigrate.codemods.program.facts import Facts


def names_mentioned(facts: Facts, scope: cst.CSTNode) -> set[str]:
    """Every name that a scope mentions, so that a new one can be told from them."""
    return {n.value for n in facts.inside(scope, cst.Name)}


def variables_in(facts: Facts, scope: cst.CSTNode) -> set[str]:
    """The variables that a scope mentions: every name but the keywords of calls."""
    variables = set()
    for name in facts.inside(scope, cst.Name):
        parent = facts.parent(name)
        if not isinstance(parent, cst.Arg) or parent.keyword is not name:
            variables.add(name.value)
    return variables


def fresh_name(facts: Facts, scope: cst.CSTNode, *wanted: str) -> str:
    """The first of some names that a scope does not mention, numbered where all are taken."""
    taken = names_mentioned(facts, scope)
    for name in wanted:
        if name not in taken:
            return name
    number = 2
    while f"{wanted[0]}{number}" in taken:
        number += 1
    return f"{wanted[0]}{number}"


def unread(facts: Facts, scope: cst.CSTNode) -> str:
    """A name for what a scope has to take and does not read."""
    return "_" if "_" not in names_mentioned(facts, scope) else fresh_name(facts, scope, "_criterion")


_AT_ONCE = (cst.Arg, cst.Call, cst.Attribute, cst.Element, cst.Tuple, cst.Expr, cst.Return, cst.Assign)
"""What evaluates its parts once, from left to right."""


class Line(NamedTuple):
    """A variable that keeps what a call gives, and the edits that put it on a line before."""

    name: str
    edits: ProjectEdits


def put_on_a_line(facts: Facts, call: cst.CSTNode, so_far: ProjectEdits) -> Line | None:
    """Keep what a call gives in a variable, on a line before the one that uses it.

    None where that would change what is called when, or how often, or where the call changes itself
    (``so_far``: what changes already).
    """
    module = facts.module_of(call)
    statement, way = facts.statement(call), []
    for around in facts.above(call):
        if around is statement:
            break
        way.append(around)
    plain = isinstance(statement, cst.SimpleStatementLine) and len(statement.body) == 1
    calls = [other for other in facts.inside(statement, cst.Call) if other is not call and other not in way]
    earlier = any(facts.is_before(other, call) for other in calls)
    if (
        not plain
        or earlier
        or call in so_far.of(module).changes
        or not all(isinstance(n, _AT_ONCE) for n in way)
    ):
        return None
    name = fresh_name(facts, facts.scope(call), "private", "private_objects")
    edits = ProjectEdits()
    edits.of(module).insert_before(statement, f"{name} = {facts.code(call).strip()}")
    edits.of(module).replace(call, name)
    return Line(name, edits)


def parameter_of(facts: Facts, function: cst.CSTNode, call: cst.Call, arg: cst.Arg) -> str | None:
    """The parameter of a function that an argument of a call of it goes to."""
    if not isinstance(function, cst.FunctionDef):
        return None
    if arg.keyword is not None:
        return arg.keyword.value
    params = [p.name.value for p in (*function.params.posonly_params, *function.params.params)]
    if facts.class_of(function) is not None and params[:1] in (["self"], ["cls"]):
        params = params[1:]
    place = next(i for i, a in enumerate(call.args) if a is arg)
    return params[place] if place < len(params) else None


def is_called_by_name(facts: Facts, function: cst.FunctionDef) -> bool:
    """Whether a function is called, and nowhere but by its own name: as no property, operator or callback."""
    calls, owner = facts.callers.get(function, []), facts.class_of(function)
    made = owner is not None and function.name.value == "__init__"
    wanted = owner.name.value if owner is not None and made else function.name.value
    return bool(calls) and all(isinstance(c, cst.Call) and name_of(c.func) == wanted for c, _ in calls)
