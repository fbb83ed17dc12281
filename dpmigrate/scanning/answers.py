"""A scan's answers, from the cache where they are there: for the whole project, else part by part."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from dpmigrate.model import ScanResult
from dpmigrate.project import Project
from dpmigrate.scanning.cache import Cache
from dpmigrate.scanning.dependents import Dependents
from dpmigrate.scanning.offering import Asked, Cluster, Earlier, Offer, Passes
from dpmigrate.scanning.shares import Share
from dpmigrate.scanning.stored import plain, restored

if TYPE_CHECKING:
    from dpmigrate.analysis.source.components import Group

Answer = TypeVar("Answer")


class Answers:
    """The answers of one scan in a cache. What is there and does not fit is as if it were not."""

    def __init__(self, folder: str, project: Project) -> None:
        self._cache = Cache(folder)
        self._dependents = Dependents(project)
        self._known: set[object] = set()
        """The groups and clusters whose answers came from the cache."""

    def of_all(self) -> ScanResult | None:
        """The answer for the whole project, if it is known."""
        return self._restored(self._dependents.of_all(), lambda held: restored(ScanResult, held))

    def of_groups(self, groups: Sequence[Group]) -> dict[Group, Share]:
        """The answers for those groups whose answers are known."""
        answers = {group: self._of_group(group) for group in groups}
        return self._noted({group: share for group, share in answers.items() if share is not None})

    def of_clusters(
        self, clusters: Sequence[Cluster], shares: Mapping[Group, Share]
    ) -> dict[Cluster, tuple[Offer, ...]]:
        """What the findings of those clusters have on offer for which it is known."""
        answers = {cluster: self._of_cluster(cluster, shares) for cluster in clusters}
        return self._noted({cluster: held for cluster, held in answers.items() if held is not None})

    def keep(
        self,
        shares: Mapping[Group, Share],
        made: Mapping[Cluster, tuple[Offer, ...]],
        passes: Mapping[Cluster, Passes],
        result: ScanResult,
    ) -> None:
        """Keep the answers for groups, clusters, and the whole project.

        Files that changed since the keys were made may have been read before or after: nothing that has to
        do with them is kept.
        """
        before, now = self._dependents, self._dependents.again()
        for group, share in shares.items():
            key = before.of_share(group, share)
            if group not in self._known and key == now.of_share(group, share):
                self._cache.put(before.of_group(group), sorted(share.asked - group.members))
                self._cache.put(key, plain(share))
        for cluster, offers in made.items():
            key = before.of_cluster(cluster, shares)
            if cluster not in self._known and key == now.of_cluster(cluster, shares):
                self._cache.put(key, plain(offers))
                self._keep_for_changes(cluster, offers, passes.get(cluster), shares)
        if before.of_all() == now.of_all():
            self._cache.put(before.of_all(), plain(result))

    def asked(self, cluster: Cluster, shares: Mapping[Group, Share]) -> Asked:
        """A cluster whose offers are not known, with what is known of it from before some of it changed."""
        if len(cluster.groups) < 2:
            return Asked(cluster)
        key = self._dependents.of_groups_together(cluster)
        earlier = self._restored(key, lambda held: restored(Earlier, held))
        states = [self._dependents.of_share(group, shares[group]) for group in cluster.groups]
        if earlier is None or len(earlier.states) != len(states):
            return Asked(cluster)
        pairs = enumerate(zip(states, earlier.states, strict=True))
        changed = frozenset(number for number, (now, before) in pairs if now != before)
        if 2 * len(changed) > len(states):
            return Asked(cluster)
        return Asked(cluster, earlier, changed)

    def _keep_for_changes(
        self, cluster: Cluster, offers: tuple[Offer, ...], passes: Passes, shares: Mapping[Group, Share]
    ) -> None:
        """Keep what spares most of the planning when some groups of a cluster change."""
        if len(cluster.groups) < 2 or passes is None:
            return
        states = tuple(self._dependents.of_share(group, shares[group]) for group in cluster.groups)
        places = (finding.key for finding in cluster.findings)
        placed = tuple((*place, offer) for place, offer in zip(places, offers, strict=True))
        key = self._dependents.of_groups_together(cluster)
        self._cache.put(key, plain(Earlier(states, placed, passes)))

    def _of_group(self, group: Group) -> Share | None:
        names = self._restored(self._dependents.of_group(group), lambda held: [str(name) for name in held])
        if names is None:
            return None
        return self._restored(self._dependents.with_others(group, names), lambda held: restored(Share, held))

    def _of_cluster(self, cluster: Cluster, shares: Mapping[Group, Share]) -> tuple[Offer, ...] | None:
        key = self._dependents.of_cluster(cluster, shares)
        offers = self._restored(key, lambda held: tuple(restored(Offer, offer) for offer in held))
        return offers if offers is None or len(offers) == len(cluster.findings) else None

    def _restored(self, key: str, read: Callable[[Any], Answer]) -> Answer | None:
        held = self._cache.get(key)
        try:
            return None if held is None else read(held)
        except (TypeError, ValueError, LookupError):
            return None

    def _noted(self, answers: dict[Any, Answer]) -> dict[Any, Answer]:
        self._known.update(answers)
        return answers
