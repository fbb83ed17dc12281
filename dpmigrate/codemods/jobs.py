"""Fixes that are made or withheld as one, and the calls whose findings they mend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

import libcst as cst

from dpmigrate.analysis.ledger import PrivateRun
from dpmigrate.codemods.editing.edits import ProjectEdits, Withheld
from dpmigrate.codemods.pins import PinPlan
from dpmigrate.model import Reason

if TYPE_CHECKING:
    from dpmigrate.advisories.matching import Match
    from dpmigrate.model import Finding
    from dpmigrate.project import Project

MatchedFinding = tuple["Finding", "Match"]


@dataclass(slots=True)
class Job:
    """One fix: the findings that it mends, and, once planned, its edits or why it is withheld."""

    matched: list[MatchedFinding] = field(default_factory=list)
    runs: list[PrivateRun] = field(default_factory=list)
    edits: ProjectEdits = field(default_factory=ProjectEdits)
    pins: PinPlan = field(default_factory=PinPlan)
    notices: list[str] = field(default_factory=list)
    created: dict[str, bytes] = field(default_factory=dict)
    """Files that it puts beside those that it changes, by path; none of them is there yet."""
    withheld: Withheld | None = None
    upgrades: bool = False
    """Whether its runs come to the API of Opacus 1.5.3, on which each must then be right in all."""
    privatizes: bool = False
    """Whether training that no private run was seen in comes to one."""
    left: list[tuple[str, str, list[MatchedFinding]]] = field(default_factory=list)
    """(path, reason, findings) of calls that it leaves as they are without harm to the others."""
    governed: tuple[str, ...] | None = ()
    """The pins under which each of its calls stands; None where it is not sure that they are the same."""
    bound: str | None = None
    """The release that pins are raised to."""
    stays_in_place: bool = False
    """Whether a model goes on to change outputs of layers in place."""
    apart: Callable[[], Job] | None = None
    """Plans the same with a criterion of its own for each run, beside those that other code has, too."""

    def become(self, other: Job) -> None:
        """Take over all that another plan of the same fix has."""
        for each in fields(self):
            setattr(self, each.name, getattr(other, each.name))

    @property
    def changes(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.edits.touched() or self.pins.edits)

    @property
    def paths(self) -> set[str]:
        """The files that it would change."""
        return {e.module.path for e in self.edits.touched()} | set(self.pins.edits)

    @property
    def path(self) -> str:
        """The file that a message about this job names."""
        if self.withheld is not None and self.withheld.module is not None:
            return self.withheld.module.path
        return self.matched[0][0].span.path

    @property
    def reason(self) -> Reason:
        """Why it is withheld, with the line."""
        assert self.withheld is not None
        return reason_spoken(self.withheld)


def reason_spoken(withheld: Withheld) -> Reason:
    """Why a fix is withheld, with the line that says so."""
    where = ""
    if withheld.module is not None and withheld.node is not None:
        place = withheld.module.place(withheld.node)
        cell = f"cell {place.cell + 1}, " if place.cell is not None else ""
        where = f"{cell}line {place.line}: "
    return Reason(withheld.reason, where)


@dataclass(slots=True)
class CallGroup:
    """All runs of one ``make_private`` call."""

    runs: list[PrivateRun]
    matched: list[MatchedFinding] = field(default_factory=list)

    @property
    def ghost(self) -> bool:
        return any(r.ghost for r in self.runs)


def group_by_call(
    project: Project, found: Sequence[MatchedFinding]
) -> tuple[dict[cst.CSTNode, CallGroup], list[MatchedFinding]]:
    """The runs and findings of every call, by its node, and the findings about pins.

    A copy of Opacus inside the project, its tests included, is left alone: it is somebody else's.
    """
    assert project.program is not None
    groups: dict[cst.CSTNode, CallGroup] = {}
    for run in project.program.runs:
        if project.program.modules.in_library(run.module.key):
            continue
        groups.setdefault(run.origin.node, CallGroup([])).runs.append(run)
    loose: list[MatchedFinding] = []
    for finding, match in found:
        if match.pin is not None:
            loose.append((finding, match))
        elif match.run is None or match.run.origin.node not in groups:
            continue
        elif groups[match.run.origin.node].ghost:
            groups[match.run.origin.node].matched.append((finding, match))
    return groups, loose
