"""One ``make_private`` call that moves to the API of Opacus 1.5.3: what its recipes know of it, and share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import libcst as cst

from dpmigrate.analysis.ledger import ALWAYS, Event, Guard, PrivateRun
from dpmigrate.analysis.source.modules import ModuleInfo
from dpmigrate.codemods.editing.edits import ProjectEdits, Withheld
from dpmigrate.codemods.program.facts import Facts


class UpgradedCall:
    """All runs of one call, and the edits that the recipes of its upgrade collect."""

    def __init__(
        self,
        facts: Facts,
        runs: Sequence[PrivateRun],
        beside: Sequence[PrivateRun] = (),
        apart: bool = False,
        by_caller: bool = False,
    ) -> None:
        self.facts = facts
        self.edits = ProjectEdits()
        self.apart = apart
        """Whether the run gets a criterion of its own, beside the project's, which stays as it is."""
        self.by_caller = by_caller
        """Whether every caller of the function hands a criterion of its own to the run."""
        self.runs = tuple(runs)
        self.beside = tuple(beside)
        """Runs of other calls in modes that are not ghost, whose results the same code takes apart."""
        self.ghost = tuple(r for r in runs if r.ghost)
        self.module: ModuleInfo = runs[0].module
        node = runs[0].origin.node
        assert isinstance(node, cst.Call)
        self.call = node
        self.mixed = any(r.ghost is not True for r in runs) or bool(beside)
        """Whether the code after this call may also get what a mode that is not ghost returns."""

    @property
    def manual(self) -> bool:
        """Whether the ghost model and optimizer are made by hand, without an engine."""
        return self.runs[0].manual

    def withheld(self, reason: str) -> Withheld:
        """Why the upgrade must not be made, said of the call itself."""
        return Withheld(reason, self.module, self.call)

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
