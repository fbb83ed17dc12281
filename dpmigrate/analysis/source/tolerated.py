"""Whether a program does without what a release has dropped: it catches the failure, or asks first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import libcst as cst

from dpmigrate.analysis.source.tree import catches, children

if TYPE_CHECKING:
    from dpmigrate.analysis.source.modules import ModuleInfo


def is_tolerated(module: ModuleInfo, node: cst.CSTNode) -> bool:
    """Whether the program does without it elsewhere: it catches the failure, or asks for the release."""
    return node in module.nesting and any(map(_provides_for_others, module.nesting.above(node)))


_FAILURES = ("ImportError", "ModuleNotFoundError", "AttributeError", "TypeError")
_ASKING = frozenset(["hasattr", "find_spec"])


def _provides_for_others(above: cst.CSTNode) -> bool:
    if isinstance(above, (cst.If, cst.IfExp)):
        return any(word in _ASKING or "version" in word.lower() for word in _names_in(above.test))
    if isinstance(above, (cst.Try, cst.TryStar)):
        return any(catches(h, *_FAILURES) and not _gives_up(h.body) for h in above.handlers)
    return False


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
