"""What a program uses of Opacus that some release has dropped: the engine of 0.x, and names that moved.

None of it belongs to a private training run of today's API: the records stand beside the runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

import libcst as cst

from dpmigrate.analysis.atoms import Atom, Obj
from dpmigrate.analysis.ledger import Origin
from dpmigrate.analysis.tree import children

if TYPE_CHECKING:
    from dpmigrate.analysis.modules import ModuleInfo

RetiredKind = Literal["engine-attach", "virtual-step", "get-privacy-spent", "get-coeff"]


@dataclass(slots=True)
class RetiredCall:
    """A call of the API that came with the engine of Opacus 0.x."""

    kind: RetiredKind
    origin: Origin
    since: str
    """The first release on which it raises."""
    error: str
    """The exception that it raises there."""
    sure: bool
    """Whether what it is called on is known to be Opacus's."""
    engine: Obj | None = None
    """The 0.x engine that it belongs to, where that is known."""
    optimizers: dict[Atom, Origin] = field(default_factory=dict)
    """What the engine was attached to, and where."""
    in_place: list[tuple[Origin, bool]] = field(default_factory=list)
    """Where its model changes outputs of layers in place, and whether that is a library's code."""


class LibraryName(NamedTuple):
    """A dotted name of Opacus, where a module imports it or reaches it through a package."""

    dotted: str
    origin: Origin
    imported: bool
    """Whether an import statement has it, and not an expression."""


class Retired:
    """The records of one interpreter."""

    def __init__(self) -> None:
        self.calls: dict[tuple[RetiredKind, cst.CSTNode], RetiredCall] = {}
        self.names: dict[cst.CSTNode, LibraryName] = {}

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.calls or self.names)

    def note(self, made: RetiredCall) -> RetiredCall:
        """Keep a call; one that was met before is as sure as its surest meeting, and fails as early."""
        known = self.calls.setdefault((made.kind, made.origin.node), made)
        known.sure = known.sure or made.sure
        known.since = min(known.since, made.since)
        return known

    def name(self, dotted: str, origin: Origin, *, imported: bool = False) -> None:
        """Keep a dotted name; those of other packages are none of ours."""
        if dotted.partition(".")[0] == "opacus":
            self.names.setdefault(origin.node, LibraryName(dotted, origin, imported))


def is_tolerated(module: ModuleInfo, node: cst.CSTNode) -> bool:
    """Whether the program does without it elsewhere: it catches the failure, or asks for the release."""
    return any(_provides_for_others(above) for above in _around(module.tree, node))


def _around(root: cst.CSTNode, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """The nodes around a node, outermost first."""
    trail: list[tuple[cst.CSTNode, Iterator[cst.CSTNode]]] = [(root, iter(children(root)))]
    while trail:
        child = next(trail[-1][1], None)
        if child is node:
            break
        if child is None:
            trail.pop()
        else:
            trail.append((child, iter(children(child))))
    return (above for above, _ in trail)


_CATCHING = frozenset(
    ["ImportError", "ModuleNotFoundError", "AttributeError", "TypeError", "Exception", "BaseException"]
)
_ASKING = frozenset(["hasattr", "find_spec"])


def _provides_for_others(above: cst.CSTNode) -> bool:
    if isinstance(above, (cst.If, cst.IfExp)):
        return any(word in _ASKING or "version" in word.lower() for word in _names_in(above.test))
    if isinstance(above, (cst.Try, cst.TryStar)):
        return any(
            (h.type is None or bool(_CATCHING & set(_names_in(h.type)))) and not _gives_up(h.body)
            for h in above.handlers
        )
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
