"""Arguments that a decorator gives a function, such as click's options."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from dpmigrate.analysis.values import Function, Value

if TYPE_CHECKING:
    from dpmigrate.analysis.core import Interpreter


def give(ip: Interpreter, decorator: cst.CSTNode, name: str, value: Value) -> None:
    """Remember that the decorator made by a call gives its function an argument."""
    ip.notes["decorator gives", id(decorator)] = (name, value)


def given(ip: Interpreter, fn: Function) -> dict[str, Value]:
    """The arguments that a function gets from its decorators, by name."""
    if not isinstance(fn.node, cst.FunctionDef) or not fn.node.decorators:
        return {}
    notes = (ip.notes.get(("decorator gives", id(d.decorator))) for d in fn.node.decorators)
    return dict(note for note in notes if note is not None)
