"""What a decorator gives a function: arguments, as click's options do, or another function around it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

import libcst as cst

from dpmigrate.analysis.domain.values import Function, Value
from dpmigrate.analysis.notes import Slot

if TYPE_CHECKING:
    from dpmigrate.analysis.core import Interpreter

_GIVEN: Slot[dict[int, tuple[str, Value]]] = Slot(dict)
"""By decorator (its identity): the argument that it gives its function."""
_AROUND: Slot[dict[Hashable, tuple[Function, ...]]] = Slot(dict)
"""By function (its key): those that decorators put around it, the nearest decorator's first."""

_OFF = frozenset({"no_grad", "inference_mode"})

_CONFIGURED = frozenset({"configurable", "capture", "bind"})
"""Decorators that give a parameter which no call names a value of a configuration (gin, sacred, argbind)."""


def give(ip: Interpreter, decorator: cst.CSTNode, name: str, value: Value) -> None:
    """Remember that the decorator made by a call gives its function an argument."""
    _GIVEN.of(ip)[id(decorator)] = (name, value)


def given(ip: Interpreter, fn: Function) -> dict[str, Value]:
    """The arguments that a function gets from its decorators, by name."""
    if not isinstance(fn.node, cst.FunctionDef) or not fn.node.decorators:
        return {}
    given_by = _GIVEN.of(ip)
    return dict(given_by[id(d.decorator)] for d in fn.node.decorators if id(d.decorator) in given_by)


def is_configured(fn: Function) -> bool:
    """Whether a configuration may set the parameters that a call of the function leaves at their defaults."""
    of_class = fn.owner.decorators if fn.owner is not None and fn.name == "__init__" else ()
    return any(name.rpartition(".")[2] in _CONFIGURED for name in (*fn.decorators, *of_class))


def without_graph(fn: Function) -> bool:
    """Whether torch keeps no graph of what the function computes."""
    return not _OFF.isdisjoint(fn.decorators)


def put_around(ip: Interpreter, fn: Function, around: Sequence[Function]) -> None:
    """Remember the functions that decorators put around one, the nearest decorator's first."""
    _AROUND.of(ip)[fn.key] = tuple(around)


def function_around(ip: Interpreter, fn: Function) -> Function | None:
    """The function that runs where this one is called, unless it is the one that calls it."""
    around = _AROUND.of(ip).get(fn.key, ())
    running = {frame.function.node for frame in ip.frames if frame.function is not None} if around else set()
    return next((outer for outer in reversed(around) if outer.node not in running), None)


def is_called_within(ip: Interpreter, fn: Function) -> bool:
    """Whether a function around this one calls it, with all arguments that it was called with itself."""
    return fn.key in _AROUND.of(ip)
