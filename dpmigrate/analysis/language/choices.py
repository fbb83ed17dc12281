"""Values that the user of a program sets: their defaults, their choices, or anything."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import libcst as cst

from dpmigrate.analysis import registry
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Const, Unknown
from dpmigrate.analysis.domain.values import Entry, Value
from dpmigrate.analysis.guards import Guard, Literal, shorten

SET_BY_THE_USER = "set by the user"
"""Why the value of an option is not known."""


def switched(ip: Interpreter, node: cst.CSTNode, value: Value) -> Value:
    """A literal's constant; or another, where a run waits for somebody to change the literal."""
    if id(node) not in ip.switches or not isinstance(value.only, Const):
        return value
    constant = value.only.value
    is_on_or_off = isinstance(constant, bool)
    written = Literal(_symbol_of(node), ("eq", True if is_on_or_off else constant), constant is not False)
    switch = ip.turnable[written] = ip.origin(node, "a switch")
    return open_value(ip, written.symbol, value, [True, False] if is_on_or_off else None, switch)


def switched_to_filled(ip: Interpreter, node: cst.CSTNode) -> Guard | None:
    """What is assumed where an empty display has been filled before a run; None where no run waits for it."""
    if id(node) not in ip.switches:
        return None
    empty = Literal(_symbol_of(node), ("truth",), False)
    ip.turnable[empty] = ip.origin(node, "a switch")
    return frozenset({empty._replace(holds=True)})


def _symbol_of(switch: cst.CSTNode) -> Hashable:
    return ("switch", id(switch))


def open_default(ip: Interpreter, symbol: Any, default: Value, origin: Any) -> Value:
    """A parameter that somebody else may set: its default, or another; what is on or off is one of both."""
    choices = [True, False] if any(isinstance(c, bool) for c in default.constants()) else None
    return open_value(ip, symbol, default, choices, origin)


def open_value(ip: Interpreter, symbol: Any, default: Value, choices: list[Any] | None, origin: Any) -> Value:
    """A value that the user of the program sets: its default, its choices, or anything.

    Each constant is guarded by the assumption that the user chose it, so that everything that
    depends on the same option stays correlated. Without a default it must be given: it is never None.
    """
    by_constant: dict[Any, Entry] = {}
    default = default.map(registry.data_of)
    for e in default.entries:
        if isinstance(e.atom, Const):
            literal = Literal(symbol, ("eq", e.atom.value), True)
            where = origin if e.atom.value is not None else origin._replace(text="left unset")
            by_constant[type(e.atom.value), e.atom.value] = Entry(e.atom, frozenset({literal}), (where,))
    chosen = origin._replace(text=_why_possible(choices))
    extra = list(choices) if choices is not None else sorted(ip.tested.get(symbol, ()))
    for c in extra:
        literal = Literal(symbol, ("eq", c), True)
        by_constant.setdefault((type(c), c), Entry(Const(c), frozenset({literal}), (chosen,)))
    if choices is not None and set(by_constant) == {(bool, True), (bool, False)} and _are_constants(default):
        # What is on or off is off where it is not on: one assumption and its opposite, and no third case.
        off = Literal(symbol, ("eq", True), False)
        by_constant[bool, False] = by_constant[bool, False]._replace(guard=frozenset({off}))
    entries = list(by_constant.values())
    entries.extend(e for e in default.entries if not isinstance(e.atom, Const))
    if choices is None:
        others = frozenset(
            Literal(symbol, ("eq", e.atom.value), False)
            for e in by_constant.values()
            if isinstance(e.atom, Const)
        )
        if not default:
            others |= {Literal(symbol, ("eq", None), False)}
        user = origin._replace(text=SET_BY_THE_USER)
        entries.append(Entry(Unknown(symbol, SET_BY_THE_USER), shorten(others, 6), (user,)))
    return Value(tuple(entries))


def _are_constants(value: Value) -> bool:
    return all(isinstance(e.atom, Const) for e in value.entries)


def _why_possible(choices: list[Any] | None) -> str:
    """Why a value that is no default is possible at all."""
    if choices is None:
        return "set by the user; the code tests for it"
    return SET_BY_THE_USER if all(isinstance(c, bool) for c in choices) else "one of the choices"
