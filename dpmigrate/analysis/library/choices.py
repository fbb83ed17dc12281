"""Values that the user of a program sets: their defaults, their choices, or anything."""

from __future__ import annotations

from typing import Any

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.values import (
    Const,
    Entry,
    Literal,
    Unknown,
    Value,
    shorten,
)


def open_value(ip: Interpreter, symbol: Any, default: Value, choices: list[Any] | None, origin: Any) -> Value:
    """A value that the user of the program sets: its default, its choices, or anything.

    Each constant is guarded by the assumption that the user chose it, so that everything that
    depends on the same option stays correlated. Without a default it must be given: it is never None.
    """
    known: dict[Any, Entry] = {}
    for e in default.entries:
        if isinstance(e.atom, Const):
            literal = Literal(symbol, ("eq", e.atom.value), True)
            known[type(e.atom.value), e.atom.value] = Entry(e.atom, frozenset({literal}), (origin,))
    chosen = origin if choices is not None else origin._replace(text="set by the user; the code tests for it")
    extra = list(choices) if choices is not None else sorted(ip.tested.get(symbol, ()))
    for c in extra:
        literal = Literal(symbol, ("eq", c), True)
        known.setdefault((type(c), c), Entry(Const(c), frozenset({literal}), (chosen,)))
    entries = list(known.values())
    entries.extend(e for e in default.entries if not isinstance(e.atom, Const))
    if choices is None:
        others = frozenset(
            Literal(symbol, ("eq", e.atom.value), False) for e in known.values() if isinstance(e.atom, Const)
        )
        if not default:
            others |= {Literal(symbol, ("eq", None), False)}
        entries.append(Entry(Unknown(symbol, "set by the user"), shorten(others, 6), (origin,)))
    return Value(tuple(entries))
