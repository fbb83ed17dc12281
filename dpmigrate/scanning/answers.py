"""A scan's answers, from the cache where they are there: for the whole project, else part by part."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from dpmigrate.model import ScanResult
from dpmigrate.project import Project
from dpmigrate.scanning.cache import Cache
from dpmigrate.scanning.dependents import Dependents
from dpmigrate.scanning.offering import Cluster, Offer
from dpmigrate.scanning.shares import Share
from dpmigrate.scanning.stored import plain, restored

if TYPE_CHECKING:
    from dpmigrate.analysis.components import Group

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
        if before.of_all() == now.of_all():
            self._cache.put(before.of_all(), plain(result))

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
