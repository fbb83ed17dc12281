"""A scan's answers, from the cache where they are there: for the whole project, else group by group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dpmigrate.model import ScanResult
from dpmigrate.project import Project
from dpmigrate.scanning.cache import Cache, digest
from dpmigrate.scanning.dependents import Dependents
from dpmigrate.scanning.shares import Share
from dpmigrate.scanning.stored import plain, restored

if TYPE_CHECKING:
    from dpmigrate.analysis.components import Group


class Answers:
    """The answers of one scan in a cache. What is there and does not fit is as if it were not."""

    def __init__(self, folder: str, project: Project) -> None:
        self._cache = Cache(folder)
        self._dependents = Dependents(project)

    def of_all(self) -> ScanResult | None:
        """The answer for the whole project, if it is known."""
        held = self._cache.get(self._dependents.of_all())
        try:
            return None if held is None else restored(ScanResult, held)
        except (TypeError, ValueError, LookupError):
            return None

    def of_groups(self, groups: Sequence[Group]) -> dict[Group, Share]:
        """The answers for those groups whose answers are known."""
        answers = ((group, self._of_group(group)) for group in groups)
        return {group: share for group, share in answers if share is not None}

    def keep(self, shares: Sequence[tuple[Group, Share]], result: ScanResult) -> None:
        """Keep the answers for some groups, and for the whole project.

        Files that changed since the keys were made may have been read before or after: nothing that has to
        do with them is kept.
        """
        before, now = self._dependents, self._dependents.again()
        for group, share in shares:
            key, besides = before.of_group(group), before.states(share.asked - group.members)
            if (key, besides) == (now.of_group(group), now.states(share.asked - group.members)):
                self._cache.put(key, [name for name, _ in besides])
                self._cache.put(_with(key, besides), plain(share))
        if before.of_all() == now.of_all():
            self._cache.put(before.of_all(), plain(result))

    def _of_group(self, group: Group) -> Share | None:
        key = self._dependents.of_group(group)
        asked = self._cache.get(key)
        try:
            if asked is None:
                return None
            besides = self._dependents.states(str(name) for name in asked)
            held = self._cache.get(_with(key, besides))
            return None if held is None else restored(Share, held)
        except (TypeError, ValueError, LookupError):
            return None


def _with(key: str, besides: list[list[str]]) -> str:
    """The key of a group's answer, with what its analysis turned out to ask for besides its members."""
    return digest(key.encode(), repr(besides).encode())
