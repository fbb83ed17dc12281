"""How the scopes of a program lead to one another: calls, classes, repetition, order of statements."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

import libcst as cst

from dpmigrate.analysis.ledger.expressions import Defined, Instance
from dpmigrate.codemods.editing.edits import ProjectEdits, Withheld
from dpmigrate.codemods.program.assignments import Home, targets_of
from dpmigrate.codemods.program.facts import Facts, Scope

MAX_CALLS = 4


def calls_lead(facts: Facts, source: Scope, target: Scope, depth: int = MAX_CALLS) -> bool:
    """Whether some chain of calls leads from one scope to another."""
    if target is source:
        return True
    return depth > 0 and any(
        calls_lead(facts, source, facts.scope(call), depth - 1) for call, _ in facts.callers.get(target, ())
    )


def leading_calls(facts: Facts, source: Scope, target: Scope) -> list[cst.Call]:
    """The calls in a scope's own body that lead to another scope, in the order of the text."""
    return [
        call
        for call in facts.own(source, cst.Call)
        if any(calls_lead(facts, fn.node, target, MAX_CALLS - 1) for fn in facts.functions_entered(call))
    ]


def calls_leading_to(facts: Facts, target: Scope, depth: int = MAX_CALLS) -> list[cst.CSTNode]:
    """All calls that lead to a scope, those of whoever is led there by others included."""
    calls = [call for call, _ in facts.callers.get(target, ())]
    if depth:
        for scope in dict.fromkeys(facts.scope(call) for call in calls):
            calls += calls_leading_to(facts, scope, depth - 1)
    return list(dict.fromkeys(calls))


def is_parameter(facts: Facts, name: str, scope: Scope) -> bool:
    """Whether a function has a parameter of that name."""
    if not isinstance(scope, cst.FunctionDef):
        return False
    return any(p.name.value == name for p in facts.inside(scope.params, cst.Param))


def declared_global(facts: Facts, scope: Scope) -> list[cst.Global]:
    """The ``global`` statements of a function."""
    return list(facts.own(scope, cst.Global)) if isinstance(scope, cst.FunctionDef) else []


def declared_nonlocal(facts: Facts, scope: Scope) -> list[cst.Nonlocal]:
    """The ``nonlocal`` statements of a function."""
    return list(facts.own(scope, cst.Nonlocal)) if isinstance(scope, cst.FunctionDef) else []


def same_class(facts: Facts, a: Scope, b: Scope) -> bool:
    """Whether two scopes are methods of one class, or of two of which one descends from the other."""
    one = facts.class_of(a) if isinstance(a, cst.FunctionDef) else None
    other = facts.class_of(b) if isinstance(b, cst.FunctionDef) else None
    if one is None or other is None:
        return False
    return one is other or other in ancestors(facts, one) or one in ancestors(facts, other)


def of_torch_module(facts: Facts, node: cst.BaseExpression) -> bool:
    """Whether a member belongs to a module of torch, where nothing else may take a module's place."""
    owner = node.value if isinstance(node, cst.Attribute) else None
    held = facts.held(owner) if owner is not None else []
    return any(isinstance(what, Instance) and what.of.torch_module for what in held)


def method_of_torch_module(facts: Facts, scope: Scope) -> bool:
    """Whether a function is a method of a module of torch."""
    members = (a for a in facts.inside(scope, cst.Attribute) if _is_own(a))
    return any(of_torch_module(facts, member) for member in members)


def is_method(facts: Facts, scope: Scope) -> bool:
    """Whether a function has the object of its class as ``self``."""
    params = scope.params.params if isinstance(scope, cst.FunctionDef) else ()
    return bool(params) and params[0].name.value == "self" and facts.class_of(scope) is not None


def _is_own(member: cst.Attribute) -> bool:
    return isinstance(member.value, cst.Name) and member.value.value == "self"


def ancestors(facts: Facts, cls: cst.ClassDef, depth: int = MAX_CALLS) -> Iterator[cst.ClassDef]:
    """The project's classes that a class descends from."""
    for base in cls.bases if depth else ():
        for what in facts.held(base.value):
            if isinstance(what, Defined) and isinstance(what.node, cst.ClassDef) and facts.knows(what.node):
                yield what.node
                yield from ancestors(facts, what.node, depth - 1)


def repeats(facts: Facts, call: cst.CSTNode, made: Iterable[cst.CSTNode]) -> bool:
    """Whether a call repeats while what is made elsewhere is made once."""
    scopes = {facts.scope(n): n for n in made}
    around = {n for m in scopes.values() for n in facts.above(m)}
    return _in_foreign_loop(facts, call, scopes, around, MAX_CALLS)


def _in_foreign_loop(
    facts: Facts, call: cst.CSTNode, made: Collection[Scope], around: Collection[cst.CSTNode], depth: int
) -> bool:
    scope, inside = facts.scope(call), call
    for node in facts.above(call):
        if node is scope:
            break
        if node not in around and _repeats_what_it_has(node, inside):
            return True
        inside = node
    if all(s is scope for s in made) or depth == 0:
        return False
    callers = facts.callers.get(scope, ())
    # What other code calls, ``map(setup, seeds)``, it may call again and again.
    return any(
        not facts.gives_back(c) or _in_foreign_loop(facts, c, made, around, depth - 1) for c, _ in callers
    )


def _repeats_what_it_has(node: cst.CSTNode, part: cst.CSTNode) -> bool:
    """Whether code evaluates a part of it again and again: a loop, or a comprehension."""
    if isinstance(node, (cst.For, cst.While)):
        return True
    if isinstance(node, cst.CompFor):
        return part is not node.iter
    return isinstance(node, (cst.BaseSimpleComp, cst.DictComp)) and part is not node.for_in


def make_before(facts: Facts, home: Home, call: cst.Call) -> ProjectEdits:
    """Move an assignment before a call of its scope that needs it. Raises `Withheld` where it cannot."""
    statement, needing = facts.statement(home), facts.statement(call)
    edits = ProjectEdits()
    if facts.is_before(home, call):
        return edits
    names = {n.value for n in facts.inside(home.value or home, cst.Name)}
    bound_between = {
        n.value
        for t in facts.own(facts.scope(home), cst.AssignTarget)
        if facts.position(needing) <= facts.position(t) < facts.position(statement)
        for n in facts.inside(t.target, cst.Name)
    }
    shared = statement is not facts.removable(home)
    if names & bound_between or shared or facts.parent(statement) is not facts.parent(needing):
        what = facts.code(targets_of(home)[0]).strip()
        raise Withheld(
            f"{what} is made after make_private (line {facts.position(needing)}), which has to be given it: "
            "make it before",
            facts.module_of(home),
            home,
        )
    edits.of(facts.module_of(home)).move_before(needing, statement)
    return edits
