"""Which fixes hold, found out together for groups of modules that share a pin, which a fix may raise.

Groups that share none have nothing to do with one another, as in the analysis; each such cluster is planned
and proved by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from dpmigrate.fixing.decisions import PassOutcome, SharedOutcome
from dpmigrate.model import Finding, FindingKey, FixOffer, Span
from dpmigrate.project import Project
from dpmigrate.scanning.parts import SharedPins

if TYPE_CHECKING:
    from dpmigrate.analysis.source.components import Group
    from dpmigrate.scanning.shares import Share


class Offer(NamedTuple):
    """What a finding turns out to have on offer: a fix that holds, or what to do by hand."""

    fix: FixOffer | None
    by_hand: str | None


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


Passes = tuple[PassOutcome, ...] | None
"""What each pass of planning decided; None where that cannot be said of fewer groups."""


class Earlier(NamedTuple):
    """What an earlier scan found out of a cluster of the same groups, when some had other contents."""

    states: tuple[str, ...]
    """The key of each group's answer."""
    offers: tuple[tuple[str, Span, Offer], ...]
    """Rule and place of each finding, and what it had on offer."""
    passes: tuple[PassOutcome, ...]
    """What each pass of planning decided for all groups."""


class Asked(NamedTuple):
    """A cluster whose fixes are to be planned, and what is known of it from before."""

    cluster: Cluster
    earlier: Earlier | None = None
    changed: frozenset[int] = frozenset()
    """The numbers of its groups that have other contents now."""

    @property
    def size(self) -> int:
        """The number of modules."""
        return self.cluster.size


class ClusterPlan(NamedTuple):
    """What each finding of a cluster has on offer, and what was decided, where it can be said."""

    offers: tuple[Offer, ...]
    passes: Passes


def planned_offers(project: Project, asked: Asked) -> ClusterPlan:
    """What each finding of a cluster has on offer: of the changed groups alone where that settles it."""
    if asked.earlier is not None:
        plan = _of_changed(project, asked.cluster, asked.earlier, asked.changed)
        if plan is not None:
            return plan
    return planned(project, asked.cluster.groups, asked.cluster.findings)


def _of_changed(
    project: Project, cluster: Cluster, earlier: Earlier, changed: frozenset[int]
) -> ClusterPlan | None:
    """The plan of a cluster by planning its changed groups beside representatives of the others.

    Those take part in what all decide together (``fixing.deciding``). Where they decide with the changed
    ones as before, so do all, and what else is on offer in a group hangs on nothing of the others. None
    where they do not, or where a group that did not change would have another answer than before.
    """
    representatives: set[int] = set()
    for shared in (shared for outcome in earlier.passes for shared in outcome.shared):
        others = [number for number in shared.members if number not in changed]
        representatives.update(others[:2], shared.refusing)
    chosen = changed | representatives
    numbers = numbers_by_path(project, cluster.groups)
    before = {(rule, span): offer for rule, span, offer in earlier.offers}
    placed = [(finding, numbers.get(finding.span.path)) for finding in cluster.findings]
    findings = tuple(f for f, number in placed if number is None or number in chosen)
    groups = tuple(group for number, group in enumerate(cluster.groups) if number in chosen)
    plan = planned(project, groups, findings, len(earlier.passes))
    passes = _as_before(earlier.passes, plan.passes or (), sorted(chosen), changed)
    if passes is None:
        return None
    now = dict(zip((finding.key for finding in findings), plan.offers, strict=True))
    made: list[Offer] = []
    for finding, number in placed:
        place = finding.key
        if number in changed:
            made.append(now[place])
        elif place not in before or now.get(place, before[place]) != before[place]:
            return None
        else:
            made.append(before[place])
    return ClusterPlan(tuple(made), passes)


def _as_before(
    earlier: Sequence[PassOutcome], now: Sequence[PassOutcome], chosen: Sequence[int], changed: frozenset[int]
) -> tuple[PassOutcome, ...] | None:
    """What each pass decided, of all groups; None where the chosen ones decide otherwise than all did."""
    if [len(outcome.shared) for outcome in earlier] != [len(outcome.shared) for outcome in now]:
        return None
    passes: list[PassOutcome] = []
    for before, after in zip(earlier, now, strict=True):
        shared: list[SharedOutcome] = []
        for old, new in zip(before.shared, after.shared, strict=True):
            members = {chosen[number] for number in new.members}
            if new.decision != old.decision or tuple(chosen[n] for n in new.refusing) != old.refusing:
                return None
            if not members - changed <= set(old.members):
                return None
            shared.append(old._replace(members=tuple(sorted({*old.members} - changed | members))))
        passes.append(PassOutcome(tuple(sorted(shared, key=lambda outcome: outcome.members))))
    return tuple(passes)


def numbers_by_path(project: Project, groups: Sequence[Group]) -> dict[str, int]:
    """The number of the group that each module is in, by the path that reports show."""
    from dpmigrate.project.texts import Texts

    absolute, display = Texts(project).absolute, project.workspace.display
    return {display(absolute[key]): number for number, group in enumerate(groups) for key in group.members}


def planned(
    project: Project, groups: tuple[Group, ...], findings: tuple[Finding, ...], least_passes: int = 1
) -> ClusterPlan:
    """Plan and prove the fixes of some groups.

    That is a matter of the tree, not of the paths that are reported on: ``dpmigrate fix`` names what it needs
    beyond its own.
    """
    from dpmigrate.fixing.offers import with_offers

    whole = project.afresh()
    whole.ready, whole.known = project.ready, project.known
    whole.workspace = project.workspace.widened()
    told = with_offers(findings, whole, groups, least_passes)
    passes = tuple(outcome for outcome in told.passes if outcome is not None)
    return ClusterPlan(
        tuple(Offer(finding.fix, finding.by_hand) for finding in told.findings),
        passes if len(passes) == len(told.passes) else None,
    )


def known_early(
    asked: Sequence[Cluster], early: Mapping[Group, Mapping[FindingKey, Offer]]
) -> dict[Cluster, tuple[Offer, ...]]:
    """The offers of clusters of one group for which they were planned when it was analysed."""
    made: dict[Cluster, tuple[Offer, ...]] = {}
    for cluster in asked:
        offers_by_place = early.get(cluster.groups[0]) if len(cluster.groups) == 1 else None
        if offers_by_place is not None:
            made[cluster] = tuple(offers_by_place[finding.key] for finding in cluster.findings)
    return made
