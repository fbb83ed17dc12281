"""Many groups under one pin, analysed and planned a few at a time beside representatives of all others.

What is held at once are the trees of one piece and of the representatives of the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from dpmigrate.fixing.decisions import PassOutcome
from dpmigrate.model import Finding, FindingKey
from dpmigrate.project import Project, Representatives
from dpmigrate.project.opening import let_go
from dpmigrate.scanning.judging import share_of
from dpmigrate.scanning.offering import Cluster, ClusterPlan, numbers_by_path, planned
from dpmigrate.scanning.parts import TOGETHER, Part
from dpmigrate.scanning.settling import (
    PASSES,
    Piece,
    binds_others,
    renumbered,
    representatives_of,
    settled,
)
from dpmigrate.scanning.shares import Share, Told, each

if TYPE_CHECKING:
    from dpmigrate.analysis.source.components import Group

MOST_ROUNDS = 6
"""How often pieces are planned anew because another one knew better."""


class PieceToPlan(NamedTuple):
    """A piece that is to be planned: some groups, and the representatives of all others beside them."""

    groups: tuple[Group, ...]
    numbers: tuple[int, ...]
    """Of each group, among all of the scan."""
    own: frozenset[int]
    findings: tuple[Finding, ...]
    """Those of its own groups, and of dependency files, whose rules know a fix."""

    @property
    def size(self) -> int:
        """The number of its modules."""
        return sum(group.size for group in self.groups)


def of_many(project: Project, part: Part) -> tuple[tuple[Share, ...], None, Piece]:
    """A few of many groups under one pin, each judged by itself, and the fixes of all planned at once."""
    assert part.leader is not None
    before = project.representatives.get(part.leader, Representatives({}, {}, {}, False))
    local = project.afresh()
    local.ready, local.known = dict(before.ready), dict(before.known)
    shares: list[Share] = []
    private: dict[int, Group] = {}
    for number, group in zip(part.numbers, part.groups, strict=True):
        alone = project.afresh()
        share = share_of(alone, (group,))
        shares.append(share)
        if not share.private:
            continue
        private[number] = group
        # Where another group has read one of its files it is interpreted again: trees are told by identity.
        if all(local.ready.get(at, info) is info for at, info in alone.ready.items()):
            local.ready.update(alone.ready)
            if alone.program is not None:
                local.known[group] = alone.program.parts[0]
    findings = tuple(finding for share in shares for finding in share.findings if finding.fix is not None)
    if private and (findings or before.binding):
        present = {**before.groups, **private}
        numbers = tuple(sorted(present))
        asked = PieceToPlan(tuple(present[n] for n in numbers), numbers, frozenset(private), findings)
        piece = _planned_piece(local, asked)
        chosen = representatives_of(piece.passes)
        if chosen:
            project.representatives[part.leader] = _representing(
                local, {n: present[n] for n in sorted(chosen)}, piece
            )
    else:
        piece = _without_findings(frozenset(private))
    modules = len(local.ready)
    del local, alone
    let_go(modules)
    return tuple(shares), None, piece


def _without_findings(own: frozenset[int]) -> Piece:
    """Groups in which there is nothing to mend."""
    return Piece(own, frozenset(), {}, (PassOutcome(()),) * PASSES)


def _representing(local: Project, groups: Mapping[int, Group], piece: Piece) -> Representatives:
    known = {group: local.known[group] for group in groups.values() if group in local.known}
    wanted = {key for part in known.values() for key in part.modules.asked}
    ready = {at: info for at, info in local.ready.items() if at[0] in wanted}
    return Representatives(groups, ready, known, binds_others(piece.passes))


def _planned_piece(project: Project, asked: PieceToPlan) -> Piece:
    plan = planned(project, asked.groups, asked.findings, PASSES)
    offers = dict(zip((finding.key for finding in asked.findings), plan.offers, strict=True))
    beside = frozenset(asked.numbers) - asked.own
    return Piece(asked.own, beside, offers, renumbered(plan.passes, asked.numbers))


def _planned_anew(project: Project, asked: PieceToPlan) -> Piece:
    fresh = project.afresh()
    piece = _planned_piece(fresh, asked)
    let_go(asked.size)
    return piece


def planned_in_pieces(
    project: Project,
    cluster: Cluster,
    shares: Mapping[Group, Share],
    known: Iterable[Piece],
    jobs: int,
    told: Told,
) -> ClusterPlan | None:
    """What the findings of a large cluster have on offer; None where its pieces come to no agreement.

    ``shares`` are those of all groups of the scan, in order, and ``known`` the pieces that were planned when
    they were analysed.
    """
    return _PlanInPieces(project, cluster, shares).plan(known, jobs, told)


class _PlanInPieces:
    """One large cluster whose pieces are to agree."""

    def __init__(self, project: Project, cluster: Cluster, shares: Mapping[Group, Share]) -> None:
        self._project, self._cluster = project, cluster
        self._groups = tuple(shares)
        number_of = {group: number for number, group in enumerate(shares)}
        self._numbers = [number_of[group] for group in cluster.groups]
        at = numbers_by_path(project, self._groups)
        self._placed = [(finding, at.get(finding.span.path)) for finding in cluster.findings]
        self._of_pins = tuple(finding for finding, number in self._placed if number is None)
        """Those of dependency files, which all groups have to do with."""
        places = {finding.key for finding in self._of_pins}
        first: dict[FindingKey, int] = {}
        for number in self._numbers if places else ():
            for finding in shares[self._groups[number]].findings:
                first.setdefault(finding.key, number)
        self._with_pins = frozenset(number for place, number in first.items() if place in places)

    def plan(self, known: Iterable[Piece], jobs: int, told: Told) -> ClusterPlan | None:
        members = frozenset(self._numbers)
        pieces = [piece for piece in known if piece.own and piece.own <= members]
        missing = sorted(members.difference(*(piece.own for piece in pieces)))
        starts = range(0, len(missing), TOGETHER)
        pending = [self._asked(frozenset(missing[start : start + TOGETHER])) for start in starts]
        for _ in range(MOST_ROUNDS):
            planned_now = {asked.own for asked in pending}
            pieces = [piece for piece in pieces if not piece.own or piece.own not in planned_now]
            pieces += [piece for _, piece in each(self._project, pending, jobs, _planned_anew, told)]
            outcome = settled(pieces)
            if outcome.undecided:
                pending = [self._asked(frozenset(), outcome.undecided)]
                continue
            chosen = representatives_of(outcome.decided)
            if outcome.decided is None or chosen is None:
                return None
            pending = [self._asked(piece.own, chosen) for piece in outcome.stale if piece.own]
            if not pending:
                return self._told(pieces, chosen, outcome.decided)
        return None

    def _asked(self, own: frozenset[int], beside: frozenset[int] = frozenset()) -> PieceToPlan:
        """A piece to be planned beside some groups; none of its own has the findings of dependency files."""
        numbers = tuple(sorted(own | beside))
        findings = tuple(finding for finding, number in self._placed if number in own)
        return PieceToPlan(
            tuple(self._groups[n] for n in numbers), numbers, own, findings if own else self._of_pins
        )

    def _told(
        self, pieces: Sequence[Piece], chosen: frozenset[int], decided: Sequence[PassOutcome]
    ) -> ClusterPlan | None:
        offers = {place: offer for piece in pieces if piece.own for place, offer in piece.offers.items()}
        if self._of_pins:
            asked = self._asked(frozenset(), chosen | self._with_pins)
            offers.update(_planned_anew(self._project, asked).offers)
        if any(finding.key not in offers for finding in self._cluster.findings):
            return None
        within = {number: n for n, number in enumerate(self._numbers)}
        made = tuple(offers[finding.key] for finding in self._cluster.findings)
        return ClusterPlan(made, renumbered(tuple(decided), within))
