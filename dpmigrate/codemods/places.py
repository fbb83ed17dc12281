"""Where a criterion lives, and how it gets from one scope to another."""

from __future__ import annotations

import libcst as cst

from dpmigrate.codemods.annotations import lengthen
from dpmigrate.codemods.binders import binders, bound_by
from dpmigrate.codemods.edits import ProjectEdits, Withheld
from dpmigrate.codemods.nodes import add_argument, add_element, add_entry, add_parameter, name_of
from dpmigrate.codemods.program_facts import Facts, Scope

MAX_ROUTE = 4


def names_in(facts: Facts, scope: cst.CSTNode) -> set[str]:
    """Every name that a scope mentions, so that a new one can be told from them."""
    return {n.value for n in facts.inside(scope, cst.Name)}


def variables_in(facts: Facts, scope: cst.CSTNode) -> set[str]:
    """The variables that a scope mentions: every name but the keywords of calls."""
    found = set()
    for name in facts.inside(scope, cst.Name):
        parent = facts.parent(name)
        if not isinstance(parent, cst.Arg) or parent.keyword is not name:
            found.add(name.value)
    return found


def fresh_name(facts: Facts, scope: cst.CSTNode, *wanted: str) -> str:
    """The first of some names that a scope does not mention, numbered where all are taken."""
    taken = names_in(facts, scope)
    for name in wanted:
        if name not in taken:
            return name
    number = 2
    while f"{wanted[0]}{number}" in taken:
        number += 1
    return f"{wanted[0]}{number}"


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
        raise Withheld(f"{name} cannot be handed on to where it is needed", module, target)
    calls = facts.callers.get(target, [])
    owner = facts.class_of(target)
    wanted = owner.name.value if owner is not None and target.name.value == "__init__" else target.name.value
    if not calls or any(not isinstance(c, cst.Call) or name_of(c.func) != wanted for c, _ in calls):
        raise Withheld(
            f"not every caller of {target.name.value} can be seen, so that {name} cannot be handed on to it",
            facts.module_of(target),
            target,
        )
    if target is not freed and any(name in bound_by(facts, b) for b in binders(facts, target)):
        if not all(_hands_on(call, target, name, owner is not None) for call, _ in calls):
            raise Withheld(
                f"{target.name.value} uses the name {name} for something else",
                facts.module_of(target),
                target,
            )
        routed.add(target)
        for call, _ in calls:
            route(facts, edits, source, facts.scope(call), name, routed, freed, depth - 1)
        return
    routed.add(target)
    edits.of(facts.module_of(target)).change(target, lambda node: add_parameter(node, name))
    for call, module in calls:
        assert isinstance(call, cst.Call)
        route(facts, edits, source, facts.scope(call), name, routed, freed, depth - 1)
        edits.of(module).change(call, lambda node: add_argument(node, name, name, ()))


def _hands_on(call: cst.CSTNode, fn: cst.FunctionDef, name: str, method: bool) -> bool:
    """Whether a call gives a parameter of that name the variable of that name already."""
    if not isinstance(call, cst.Call) or any(arg.star for arg in call.args):
        return False
    positional = [p.name.value for p in (*fn.params.posonly_params, *fn.params.params)][method:]
    given = dict(zip(positional, (a.value for a in call.args if a.keyword is None), strict=False))
    given |= {arg.keyword.value: arg.value for arg in call.args if arg.keyword is not None}
    value = given.get(name)
    return isinstance(value, cst.Name) and value.value == name


def route_out(facts: Facts, edits: ProjectEdits, inner: Scope, outer: Scope, name: str) -> None:
    """Make a function return one variable more, behind the optimizer, and its callers take it.

    Only where what it returns is a plain tuple that every caller takes apart, or a dict that every caller
    keeps. Raises `Withheld`.
    """
    module = facts.module_of(inner)
    returned = [r.value for r in facts.own(inner, cst.Return) if r.value is not None]
    value = returned[0] if len(returned) == 1 else None
    if not isinstance(value, (cst.Tuple, cst.Dict)) or not isinstance(inner, cst.FunctionDef):
        raise Withheld(
            f"{name}, which make_private wraps, has to come back from here to where losses are made: return "
            "it beside the optimizer, and take it where this is called",
            module,
            returned[0] if returned else inner,
        )
    calls = facts.callers.get(inner, [])
    for call, where in calls:
        if facts.scope(call) is not outer:
            raise Withheld(f"{name} comes back through several functions: return it from each", where, call)
    if isinstance(value, cst.Dict):
        _out_by_key(facts, edits, value, [call for call, _ in calls], name)
        return
    count = len(value.elements)
    optimizers = [i for i, e in enumerate(value.elements) if facts.is_a(e.value, "dp-optimizer")]
    place = optimizers[0] + 1 if len(optimizers) == 1 else min(2, count)
    edits.of(module).change(value, lambda new: add_element(new, place, name))
    if inner.returns is not None:
        lengthen(facts, edits, inner.returns, count, place)
    for call, where in calls:
        assign = facts.parent(call)
        target = assign.targets[0].target if isinstance(assign, cst.Assign) else None
        if not isinstance(target, (cst.Tuple, cst.List)) or len(target.elements) != count:
            raise Withheld(f"{name} comes back here: take one value more", where, call)
        edits.of(where).change(target, lambda new: add_element(new, place, name))


def _out_by_key(
    facts: Facts, edits: ProjectEdits, value: cst.Dict, calls: list[cst.CSTNode], name: str
) -> None:
    """One entry more in the dict that a function returns, read by each caller into the variable."""
    keys = [e.key for e in value.elements if isinstance(e, cst.DictElement)]
    if not keys or not all(isinstance(key, cst.SimpleString) for key in keys):
        raise Withheld(f"{name} has to come back in this dict", facts.module_of(value), value)
    first = keys[0]
    assert isinstance(first, cst.SimpleString)
    key = f"{first.quote}{name}{first.quote}"
    edits.of(facts.module_of(value)).change(value, lambda new: add_entry(new, key, name))
    for call in calls:
        assign, module = facts.parent(call), facts.module_of(call)
        target = assign.targets[0].target if isinstance(assign, cst.Assign) else None
        if not isinstance(target, (cst.Name, cst.Attribute)):
            raise Withheld(f"{name} comes back in this dict: take it out", module, call)
        text = facts.code(target).strip()
        edits.of(module).insert_after(facts.statement(call), f"{name} = {text}[{key}]")
