"""One ``make_private`` call that moves to the API of Opacus 1.5.3: what all recipes of its upgrade share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import libcst as cst

from dpmigrate.analysis.ledger import ALWAYS, Constant, Event, Guard, PrivateRun
from dpmigrate.analysis.source.modules import ModuleInfo
from dpmigrate.codemods.editing.edits import Withheld
from dpmigrate.codemods.program.facts import Facts, Scope


@dataclass(frozen=True, eq=False)
class UpgradedCall:
    """All runs of one call. No recipe changes it: what one finds out it returns."""

    facts: Facts
    runs: tuple[PrivateRun, ...]
    beside: tuple[PrivateRun, ...] = ()
    """Runs of other calls in modes that are not ghost, whose results the same code takes apart."""
    apart: bool = False
    """Whether the run gets a criterion of its own, beside the project's, which stays as it is."""
    by_caller: bool = False
    """Whether every caller of the function hands a criterion of its own to the run."""

    @cached_property
    def call(self) -> cst.Call:
        """The call itself."""
        node = self.runs[0].origin.node
        assert isinstance(node, cst.Call)
        return node

    @property
    def module(self) -> ModuleInfo:
        """The module in which it is written."""
        return self.runs[0].module

    @cached_property
    def scope(self) -> Scope:
        """The function, or module, in which it is written."""
        return self.facts.scope(self.call)

    @cached_property
    def ghost(self) -> tuple[PrivateRun, ...]:
        """The runs that are, or may be, in a ghost mode."""
        return tuple(r for r in self.runs if r.ghost)

    @cached_property
    def mixed(self) -> bool:
        """Whether the code after this call may also get what a mode that is not ghost returns."""
        return any(r.ghost is not True for r in self.runs) or bool(self.beside)

    @property
    def manual(self) -> bool:
        """Whether the ghost model and optimizer are made by hand, without an engine."""
        return self.runs[0].manual

    @property
    def adaptive(self) -> bool:
        """Whether the engine is the one that adapts its clipping norm."""
        return self.runs[0].adaptive

    @cached_property
    def has_criterion(self) -> bool:
        """Whether the call is given a criterion already."""
        return any(r.argument("criterion") for r in self.ghost)

    @cached_property
    def guard(self) -> Guard:
        """What is assumed wherever the run is a ghost run."""
        guards = [r.guard for r in self.ghost]
        shared = guards[0] if guards else ALWAYS
        for guard in guards[1:]:
            shared &= guard
        return shared

    @cached_property
    def events(self) -> tuple[Event, ...]:
        """The events of all ghost runs."""
        return tuple(e for r in self.ghost for e in r.events)

    @property
    def loss_reduction(self) -> str:
        """The reduction that ``loss_reduction=`` asks the criterion to have. Raises `Withheld`."""
        values = [w for r in self.ghost for w in r.argument("loss_reduction").each]
        constants = {w.value if isinstance(w, Constant) else None for w in values} or {"mean"}
        if len(constants) != 1 or None in constants:
            raise self.withheld('loss_reduction= of this call is no literal: write "mean" or "sum"')
        return str(constants.pop())

    def withheld(self, reason: str) -> Withheld:
        """Why the upgrade must not be made, said of the call itself."""
        return Withheld(reason, self.module, self.call)
