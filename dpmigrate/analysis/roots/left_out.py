"""Calls that make runs but that no root came to, where not all code was followed to its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.values import Function
from dpmigrate.analysis.ledger import Origin
from dpmigrate.analysis.roots.leading import leads_to_runs
from dpmigrate.analysis.source.mentions import Mentions
from dpmigrate.analysis.source.tree import MAKING_CALLS, children, makes_private

MAX_AGAIN = 12
"""How many functions are entered again."""


def left_out(ip: Interpreter, wanted: set[str], mentions: Mentions) -> list[Function]:
    """Functions that were entered, but not as far as some call in them that makes a run.

    A function that a loop calls with one configuration after the other is cut short on the way, and
    the branches of the later ones are never taken. A function that calls itself is followed once, and what
    it does with other arguments is not seen either.
    """
    if not ip.roots_exhausted and not any(leads_to_runs(ip, fn) for fn in ip.recursive):
        return []
    seen = _places(ip)
    functions: dict[int, Function] = {}
    for fn in ip.made:
        if fn.key not in ip.entered or fn.module.key not in wanted:
            continue
        if not isinstance(fn.node, cst.FunctionDef) or _nested(fn) or not mentions.of(fn.node) & MAKING_CALLS:
            continue
        # The run of an engine's own override is listed where that is called.
        done = ip.making_calls if fn.name in MAKING_CALLS else ()
        if any(id(call) not in seen and call not in done for call in making_calls_in(fn.node)):
            functions.setdefault(id(fn.node), fn)
    return list(functions.values())[:MAX_AGAIN]


@contextmanager
def only_new_places(ip: Interpreter) -> Iterator[None]:
    """Keep the runs made meanwhile at calls without one: the others are known with real arguments."""
    seen = _places(ip)
    before = set(ip.runs)
    yield
    for key in [k for k, run in ip.runs.items() if k not in before and id(run.origin.node) in seen]:
        del ip.runs[key]


def _places(ip: Interpreter) -> set[int]:
    return {id(run.origin.node) for run in ip.runs.values()}


def not_reached(ip: Interpreter) -> list[Origin]:
    """The calls that would make runs and that nothing came to, where some root used up its budget."""
    if not ip.roots_exhausted:
        return []
    modules = [m for m in ip.executed.values() if m.library_path is None]
    return [
        Origin(module, call)
        for module in modules
        if any(name.encode() in module.source.data for name in MAKING_CALLS)
        for call in _making_calls_below(module.tree, ())
        if call not in ip.making_calls
    ]


def _nested(fn: Function) -> Function | None:
    """The function that a function is defined in: its variables are gone."""
    inner: Function | None = getattr(fn.closure, "function", None)
    return inner


def making_calls_in(node: cst.FunctionDef | cst.Lambda) -> Iterator[cst.Call]:
    """Calls of that name in a function's own body."""
    return _making_calls_below(node.body, (cst.FunctionDef, cst.ClassDef, cst.Lambda))


def _making_calls_below(root: cst.CSTNode, apart: tuple[type[cst.CSTNode], ...]) -> Iterator[cst.Call]:
    """Calls of that name below a node, but in what is ``apart``."""
    stack: list[cst.CSTNode] = [root]
    while stack:
        current = stack.pop()
        if isinstance(current, apart):
            continue
        if isinstance(current, cst.Call) and makes_private(current):
            yield current
        stack.extend(children(current))
