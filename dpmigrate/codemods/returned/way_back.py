"""The way of the wrapped criterion out of the function that makes it, through all that call that.

A helper may be called in several places, and by functions that hand on what it returns: each that leads to
where losses are made takes the criterion, and each that is between returns it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import libcst as cst

from dpmigrate.analysis.source.modules import ModuleInfo
from dpmigrate.codemods.program.facts import Facts, Scope
from dpmigrate.codemods.program.ways import MAX_CALLS, calls_lead

Call = tuple[cst.CSTNode, ModuleInfo]


@dataclass
class WayBack:
    """Which functions return one thing more, and which scopes have it then."""

    returning: list[Scope] = field(default_factory=list)
    """The functions that return it, the innermost first."""
    having: list[Scope] = field(default_factory=list)
    """The scopes that take it from a call of one of those."""
    sources: list[Scope] = field(default_factory=list)
    """Those of them that lead on to where it is wanted, or are that."""


def way_back(facts: Facts, inner: Scope, wanted: Scope) -> WayBack | None:
    """How what one scope has comes out to another one, or to what leads there.

    None where it need not, since the one leads to the other itself, or where there is no such way.
    """
    if calls_lead(facts, inner, wanted) and not calls_lead(facts, wanted, inner):
        return None
    way = WayBack()
    _out_of(facts, inner, wanted, way, MAX_CALLS)
    return way if way.sources else None


def _out_of(facts: Facts, inner: Scope, wanted: Scope, way: WayBack, depth: int) -> None:
    way.returning.append(inner)
    for scope in dict.fromkeys(facts.scope(call) for call, _ in calls_to_whoever_takes(facts, inner)):
        if scope in way.having:
            continue
        if scope is wanted or calls_lead(facts, scope, wanted):
            way.having.append(scope)
            way.sources.append(scope)
        elif depth and _comes_to(facts, scope, wanted, depth - 1):
            way.having.append(scope)
            _out_of(facts, scope, wanted, way, depth - 1)


def _comes_to(facts: Facts, inner: Scope, wanted: Scope, depth: int) -> bool:
    """Whether what a function returns of a run comes to where it leads to the scope that is wanted."""
    returned = [r.value for r in facts.own(inner, cst.Return) if r.value is not None]
    if not any(facts.is_a(n, "dp-optimizer") for value in returned for n in _parts(facts, value)):
        return False
    scopes = {facts.scope(call) for call, _ in _calls(facts, inner)}
    return any(
        scope is wanted
        or calls_lead(facts, scope, wanted)
        or (depth > 0 and _comes_to(facts, scope, wanted, depth - 1))
        for scope in scopes
    )


def _parts(facts: Facts, value: cst.BaseExpression) -> Iterator[cst.BaseExpression]:
    """An expression, and the variables and calls in it."""
    yield value
    yield from facts.inside(value, cst.Name)
    yield from facts.inside(value, cst.Attribute)


def calls_to_whoever_takes(facts: Facts, function: Scope, depth: int = MAX_CALLS) -> Sequence[Call]:
    """The calls of a function, with those of what returns such a call as it is in their place."""
    found: list[Call] = []
    for call, module in _calls(facts, function):
        if depth and (through := _returning_it(facts, call)) is not None:
            found += calls_to_whoever_takes(facts, through, depth - 1)
        else:
            found.append((call, module))
    return list(dict.fromkeys(found))


def returning_as_it_is(facts: Facts, function: Scope, depth: int = MAX_CALLS) -> Iterator[cst.FunctionDef]:
    """The functions that return what a call of a function gives, as it is."""
    for call, _ in _calls(facts, function) if depth else ():
        if (through := _returning_it(facts, call)) is not None:
            yield through
            yield from returning_as_it_is(facts, through, depth - 1)


def _returning_it(facts: Facts, call: cst.CSTNode) -> cst.FunctionDef | None:
    """The function that returns what a call gives and nothing else, and is called itself."""
    around = facts.scope(call)
    if not isinstance(around, cst.FunctionDef) or not isinstance(facts.parent(call), cst.Return):
        return None
    alone = [r.value for r in facts.own(around, cst.Return) if r.value is not None] == [call]
    return around if alone and _calls(facts, around) else None


def _calls(facts: Facts, function: Scope) -> list[Call]:
    """The calls of a function that the project writes: one that nothing calls is entered where it stands."""
    return [(call, module) for call, module in facts.callers.get(function, ()) if call is not function]
