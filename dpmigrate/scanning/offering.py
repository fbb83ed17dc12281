"""Which fixes hold, found out together for groups of modules that share a pin, which a fix may raise.

Groups that share none have nothing to do with one another, as in the analysis; each such cluster is planned
and proved by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from dpmigrate.model import Finding, FixOffer, Span
from dpmigrate.project import Project
from dpmigrate.scanning.parts import SharedPins

if TYPE_CHECKING:
    from dpmigrate.analysis.components import Group
    from dpmigrate.scanning.shares import Share


class Offer(NamedTuple):
    """What a finding turns out to have on offer: a fix that holds, or what to do by hand."""

    fix: FixOffer | None
    by_hand: str | None


FindingPlace = tuple[str, Span]
"""A finding's rule and where it stands, which tell it from all others of one scan."""


def place_of(finding: Finding) -> FindingPlace:
    """By what a finding is known in every part of a scan."""
    return finding.rule, finding.span


class Cluster(NamedTuple):
    """Groups that share pins, and the findings in them whose rules know a fix, in the order of reports."""

    groups: tuple[Group, ...]
    findings: tuple[Finding, ...]

    @property
    def size(self) -> int:
        """The number of modules."""
        return sum(len(group.members) for group in self.groups)


def clusters(project: Project, shares: Mapping[Group, Share], findings: Sequence[Finding]) -> list[Cluster]:
    """The groups with findings that may be mended, each with those that share a pin with it.

    Where there is nothing private, no fix and no pin makes a difference.
    """
    places = SharedPins(project, [group for group, share in shares.items() if share.private])
    held: dict[int, list[Finding]] = {}
    for finding in findings:
        if finding.fix is not None and (leader := places.leader_of(finding.span.path)) is not None:
            held.setdefault(leader, []).append(finding)
    return [Cluster(places.together(leader), tuple(found)) for leader, found in held.items()]


def offers(project: Project, cluster: Cluster) -> tuple[Offer, ...]:
    """What each finding of a cluster has on offer, by planning and proving its fixes.

    That is a matter of the tree, not of the paths that are reported on: ``dpmigrate fix`` names what it needs
    beyond its own.
    """
    from dpmigrate.fixing.offers import with_offers

    whole = project.afresh()
    whole.ready, whole.known = project.ready, project.known
    whole.workspace = project.workspace.widened()
    told = with_offers(cluster.findings, whole, cluster.groups)
    return tuple(Offer(finding.fix, finding.by_hand) for finding in told)


def known_early(
    asked: Sequence[Cluster], early: Mapping[Group, Mapping[FindingPlace, Offer]]
) -> dict[Cluster, tuple[Offer, ...]]:
    """The offers of clusters of one group for which they were planned when it was analysed."""
    made: dict[Cluster, tuple[Offer, ...]] = {}
    for cluster in asked:
        offers_by_place = early.get(cluster.groups[0]) if len(cluster.groups) == 1 else None
        if offers_by_place is not None:
            made[cluster] = tuple(offers_by_place[place_of(finding)] for finding in cluster.findings)
    return made
