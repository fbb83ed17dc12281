"""A program as it leaves the analysis: components that have nothing to do with one another."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Protocol

from dpmigrate.analysis.ledger.expressions import Expressions
from dpmigrate.analysis.ledger.retired import LibraryName, RetiredCall
from dpmigrate.analysis.ledger.runs import PrivateRun

if TYPE_CHECKING:
    from dpmigrate.analysis.source.modules import ModuleInfo, Modules


class Component(Protocol):
    """One component: what was found out of the modules that have to do with one another."""

    @property
    def modules(self) -> Modules:
        """The modules as this component met them."""

    @property
    def executed(self) -> Collection[str]:
        """The keys of its own modules."""

    @property
    def runs(self) -> list[PrivateRun]:
        """Its private training runs, one record for each context and mode."""

    @property
    def expressions(self) -> Expressions:
        """What its expressions were seen to be."""

    @property
    def retired_calls(self) -> list[RetiredCall]:
        """Its calls of the API of Opacus 0.x."""

    @property
    def retired_names(self) -> list[LibraryName]:
        """The dotted names of Opacus that it has."""


class Analysed(Protocol):
    """All components of a program."""

    @property
    def modules(self) -> Modules:
        """All modules."""

    @property
    def parts(self) -> Sequence[Component]:
        """Each component."""

    def part_of(self, module: ModuleInfo) -> Component | None:
        """The component that a module belongs to; None where nothing came to it."""
