"""What the expressions of a program were seen to be: what a fix asks of it beside its runs."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from dpmigrate.analysis.guards import ALWAYS, Guard
from dpmigrate.analysis.ledger.objects import Thing, What

if TYPE_CHECKING:
    import libcst as cst

    from dpmigrate.analysis.source.modules import ModuleInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Named(Thing):
    """A function, class or module of a library; ``name`` is its qualified name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Defined(Thing):
    """A function, lambda or class of the project."""

    module: ModuleInfo = field(compare=False, repr=False)
    node: cst.FunctionDef | cst.Lambda | cst.ClassDef = field(compare=False, repr=False)
    record: bool = field(default=False, compare=False)
    """Whether it is a class whose constructor takes its annotated fields (a dataclass, a named tuple)."""
    torch_module: bool = field(default=False, compare=False)
    """Whether it is a class of ``nn.Module``: what is a module there gives its place to modules alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance(Thing):
    """An object of one of the project's classes, or of a class that descends from one of a library."""

    of: Defined = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WithArguments(Thing):
    """``functools.partial`` of a function."""

    function: str = field(compare=False)
    """The library's function that it calls, with keywords alone added; empty for any other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed(Thing):
    """A tensor that is computed from a model's output."""

    rescaled: bool = field(compare=False)
    """Whether clipping coefficients were multiplied in."""
    last: str = field(compare=False)
    """The last operation: "mean", "sum", "mul", ...; empty where there was none."""
    reduction: str | None = field(compare=False)
    """How losses became one: "none", "mean", "sum"; None where that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfRun(Thing):
    """What ``make_private`` returned: the private model, optimizer, loader, criterion, or all of them."""

    run: Hashable = field(compare=False, repr=False)
    """The ``PrivateRun.key`` of its run."""


class Expressions(Protocol):
    """What was seen of each expression of one component, constants left out.

    An expression can be several things, each under assumptions; what contradicts the ``guard`` that is asked
    for is left out. Nodes are those of ``ModuleInfo.tree``.
    """

    def held(self, node: cst.CSTNode, guard: Guard = ALWAYS) -> list[What]:
        """What an expression was seen to be."""

    def reached(self, node: cst.CSTNode, guard: Guard = ALWAYS) -> bool:
        """Whether an expression was evaluated at all, to something that is no constant."""

    def called(self, call: cst.Call, guard: Guard = ALWAYS) -> list[What]:
        """What the thing that is called was seen to be."""

    def members(self, node: cst.CSTNode, name: str) -> list[What]:
        """What a member of an object or class was seen to be, constants included."""

    def entered(self, call: cst.CSTNode) -> list[Defined]:
        """The project's functions that a call (an operator, a decorator) enters."""

    @property
    def calls(self) -> Iterable[cst.CSTNode]:
        """All that enters a function of the project."""

    def honours_reduction(self, criterion: Instance) -> bool:
        """Whether an object certainly gives one loss per example once its ``reduction`` is "none"."""

    def reduction_default(self, criterion: Defined) -> str | None:
        """The default of ``reduction`` where an object of a class is made; None where it takes none."""
