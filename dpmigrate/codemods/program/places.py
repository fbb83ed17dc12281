"""Where a criterion lives, and how it gets from one scope to another."""

from __future__ import annotations

import libcst as cst

from dpmigrate.analysis.source.modules import ModuleInfo
from dpmigrate.codemods.editing.edits import ProjectEdits, Withheld
from dpmigrate.codemods.editing.nodes import add_argument, add_parameter, name_of
from dpmigrate.codemods.program.binders import binders, bound_by
from dpmigrate.codemods.program.facts import Facts, Scope

MAX_ROUTE = 4


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


_AT_ONCE = (cst.Arg, cst.Call, cst.Attribute, cst.Element, cst.Tuple, cst.Expr, cst.Return, cst.Assign)
"""What evaluates its parts once, from left to right."""


def put_on_a_line(facts: Facts, edits: ProjectEdits, module: ModuleInfo, call: cst.CSTNode) -> str:
    """Keep what a call gives in a variable, on a line before the one that uses it: its name.

    Empty where that would change what is called when, or how often, or where the call changes itself.
    """
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
        or call in edits.of(module).changes
        or not all(isinstance(n, _AT_ONCE) for n in way)
    ):
        return ""
    name = fresh_name(facts, facts.scope(call), "private", "private_objects")
    edits.of(module).insert_before(statement, f"{name} = {facts.code(call).strip()}")
    edits.of(module).replace(call, name)
    return name


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


def route(
    facts: Facts,
    edits: ProjectEdits,
    source: Scope,
    target: Scope,
    name: str,
    routed: set[cst.CSTNode],
    freed: cst.CSTNode | None = None,
    depth: int = MAX_ROUTE,
) -> None:
    """Make the variable ``name`` of ``source`` a parameter of ``target``, passed on by every caller.

    ``routed`` collects the functions that have it; ``freed`` is one whose own variable of that name
    goes. Raises `Withheld` where some caller cannot be seen or does not lead back to ``source`` by
    ``depth`` calls.
    """
    if target is source or target in routed:
        return
    if not isinstance(target, cst.FunctionDef) or depth == 0:
        module = facts.module_of(target)
        where = getattr(getattr(target, "name", None), "value", "the module's own code")
        raise Withheld(
            f"{where} needs {name}, which make_private wraps, and no chain of calls from where that is done "
            f"leads here: return {name} beside the optimizer, and hand it on to here",
            module,
            target if isinstance(target, cst.FunctionDef) else None,
        )
    calls = facts.callers.get(target, [])
    owner = facts.class_of(target)
    wanted = owner.name.value if owner is not None and target.name.value == "__init__" else target.name.value
    if not calls or any(not isinstance(c, cst.Call) or name_of(c.func) != wanted for c, _ in calls):
        raise Withheld(
            f"{target.name.value} needs {name}, which make_private wraps, and not every call of it is seen: "
            f"give it a parameter {name}, and hand the wrapped criterion to it wherever it is called",
            facts.module_of(target),
            target,
        )
    if target is not freed and any(name in bound_by(facts, b) for b in binders(facts, target)):
        left_out = [call for call, _ in calls if _leaves_out(facts, call, target, name)]
        handing = [call for call, _ in calls if _hands_on(call, target, name, owner is not None)]
        if len(left_out) + len(handing) < len(calls):
            raise Withheld(
                f"{target.name.value} needs the wrapped criterion {name}, and uses that name for something "
                "else: rename its own variable",
                facts.module_of(target),
                target,
            )
        routed.add(target)
        for call, module in calls:
            route(facts, edits, source, facts.scope(call), name, routed, freed, depth - 1)
            if call in left_out:
                edits.of(module).change(call, lambda node: add_argument(node, name, name, ()))
        return
    routed.add(target)
    edits.of(facts.module_of(target)).change(target, lambda node: add_parameter(node, name))
    for call, module in calls:
        assert isinstance(call, cst.Call)
        route(facts, edits, source, facts.scope(call), name, routed, freed, depth - 1)
        edits.of(module).change(call, lambda node: add_argument(node, name, name, ()))


def _leaves_out(facts: Facts, call: cst.CSTNode, fn: cst.FunctionDef, name: str) -> bool:
    """Whether a call leaves a parameter of that name, which nothing else binds, to its default."""
    params = (*fn.params.params, *fn.params.kwonly_params)
    param = next((p for p in params if p.name.value == name and p.default is not None), None)
    alone = [b for b in binders(facts, fn) if name in bound_by(facts, b)] == [param]
    if param is None or not alone or not isinstance(call, cst.Call) or any(a.star for a in call.args):
        return False
    return all(parameter_of(facts, fn, call, arg) != name for arg in call.args)


def _hands_on(call: cst.CSTNode, fn: cst.FunctionDef, name: str, method: bool) -> bool:
    """Whether a call gives a parameter of that name the variable of that name already."""
    if not isinstance(call, cst.Call) or any(arg.star for arg in call.args):
        return False
    positional = [p.name.value for p in (*fn.params.posonly_params, *fn.params.params)][method:]
    given = dict(zip(positional, (a.value for a in call.args if a.keyword is None), strict=False))
    given |= {arg.keyword.value: arg.value for arg in call.args if arg.keyword is not None}
    value = given.get(name)
    return isinstance(value, cst.Name) and value.value == name
