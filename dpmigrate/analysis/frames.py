"""Where the interpreter stands: frames of calls, loops, and what is tried."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field

import libcst as cst

from dpmigrate.analysis.domain.atoms import Atom
from dpmigrate.analysis.domain.store import Delta
from dpmigrate.analysis.domain.values import Class, Function, Value
from dpmigrate.analysis.guards import ALWAYS, Guard
from dpmigrate.analysis.ledger import Step
from dpmigrate.analysis.notes import Slot
from dpmigrate.analysis.source.modules import ModuleInfo

CONTINUED: Slot[dict[cst.CSTNode, dict[cst.BaseExpression, Guard]]] = Slot(dict)
"""By loop: the tests by which a turn ends before its end, ``if i % 4: continue``."""


class ExhaustedError(Exception):
    """A root used up its budget."""


@dataclass(slots=True)
class LoopControl:
    """Where ``break`` and ``continue`` of the innermost loop leave their changes."""

    depth: int
    breaks: list[tuple[Delta, Guard]] = field(default_factory=list)
    continues: list[tuple[Delta, Guard]] = field(default_factory=list)
    ends: bool = True
    """Whether it may come to its end without ``break``."""
    goes_on: bool = True
    """Whether any statement after the loop is come to."""


@dataclass(slots=True)
class Attempt:
    """The body of a ``try``: the changes since layer ``depth`` with which a handler may begin."""

    depth: int
    states: list[tuple[Delta, Guard]] = field(default_factory=list)


@dataclass(slots=True)
class Frame:
    """One activation of a module, class body, function or comprehension."""

    owner: Hashable
    module: ModuleInfo
    closure: Frame | None = None
    function: Function | None = None
    defining: Class | None = None
    """The class whose method this is, or whose body is being executed."""
    receiver: Atom | None = None
    call: cst.CSTNode | None = None
    """What entered it."""
    is_class_body: bool = False
    depth: int = 0
    entry_path: Guard = ALWAYS
    returns: list[Value] = field(default_factory=list)
    yields: list[Value] = field(default_factory=list)
    yields_more: bool = False
    """Whether it may yield more than these, as by `yield from` of something that is not known."""
    exits: list[tuple[Delta, Guard]] = field(default_factory=list)
    loops: list[LoopControl] = field(default_factory=list)
    ended: bool = False
    """Whether some way through it ends the program."""
    captured: bool = False
    """Whether something defined here may read its names after it has returned."""
    foreign: dict[str, str] = field(default_factory=dict)
    """Names declared ``global`` or ``nonlocal`` here."""
    way: tuple[tuple[Hashable, ...], tuple[Step, ...]] = ((), ())
    """The calling context that it is active in, see `Interpreter.way_here`."""

    @property
    def code(self) -> cst.FunctionDef | cst.Lambda | cst.Module:
        """What it executes: its function, or the module."""
        return self.function.node if self.function is not None else self.module.tree

    def scopes(self) -> Iterator[Frame]:
        """Where a name that is read here may be: here, and in the functions around; its module comes last."""
        yield self
        scope = self.closure
        while scope is not None:
            if not scope.is_class_body:
                yield scope
            scope = scope.closure
