"""Whether a program does without what a release has dropped: it catches the failure, or asks first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from dpmigrate.analysis.source.tree import catches, children, every

if TYPE_CHECKING:
    from dpmigrate.analysis.source.modules import ModuleInfo


def is_tolerated(module: ModuleInfo, node: cst.CSTNode, by_another: bool = False) -> bool:
    """Whether the program does without it elsewhere: it catches the failure, or asks for the release.

    ``by_another``: a handler has to call something in its place; to say or pass over it is not enough.
    """
    if node not in module.nesting:
        return False
    return any(_provides_for_others(above, by_another) for above in module.nesting.above(node))


_FAILURES = ("ImportError", "ModuleNotFoundError", "AttributeError", "TypeError")
_ASKING = frozenset(["hasattr", "find_spec"])


def _provides_for_others(above: cst.CSTNode, by_another: bool) -> bool:
    if isinstance(above, (cst.If, cst.IfExp)):
        return any(word in _ASKING or "version" in word.lower() for word in _names_in(above.test))
    if isinstance(above, (cst.Try, cst.TryStar)):
        handlers = [h.body for h in above.handlers if catches(h, *_FAILURES) and not _gives_up(h.body)]
        return any(not by_another or _calls_another(body) for body in handlers)
    return False


_TELLING = frozenset(
    ["print", "warn", "warning", "info", "debug", "error", "exception", "log", "write", "echo"]
)
_OF_VALUES = frozenset(["float", "str", "repr", "format", "type", "len", "tuple", "dict", "print_exc"])


def _calls_another(handler: cst.BaseSuite) -> bool:
    """Whether a handler calls anything that can stand for what failed, and does not merely tell of it."""
    calls = (node for node in every(handler) if isinstance(node, cst.Call))
    names = ((list(_names_in(call.func)) or [""])[-1] for call in calls)
    return any(name not in _TELLING | _OF_VALUES for name in names)


def _gives_up(handler: cst.BaseSuite) -> bool:
    """Whether the last statement of a handler ends the program: nothing then does without what failed."""
    last = handler.body[-1] if handler.body else None
    if isinstance(last, cst.SimpleStatementLine):
        last = last.body[-1]
    if isinstance(last, cst.Expr) and isinstance(last.value, cst.Call):
        return ".".join(_names_in(last.value.func)) in ("sys.exit", "exit", "quit")
    return isinstance(last, cst.Raise)


def _names_in(node: cst.CSTNode) -> Iterator[str]:
    if isinstance(node, cst.Name):
        yield node.value
    for child in children(node):
        yield from _names_in(child)
