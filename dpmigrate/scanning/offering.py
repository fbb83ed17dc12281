"""Which fixes hold, found out together for groups of modules that share a pin, which a fix may raise.

Groups that share none have nothing to do with one another, as in the analysis; each such cluster is planned
and proved by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from dpmigrate.model import Finding, FixOffer
from dpmigrate.project import Project
from dpmigrate.project.dependencies import telling_dependencies

if TYPE_CHECKING:
    from dpmigrate.analysis.components import Group
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
    places = _Places(project, [group for group, share in shares.items() if share.private])
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


class _Places:
    """Which groups a file belongs to, where a dependency file belongs to every group that it governs."""

    def __init__(self, project: Project, groups: Sequence[Group]) -> None:
        from dpmigrate.project.texts import Texts
        from dpmigrate.versions.project import load_declarations

        workspace = project.workspace
        absolute = Texts(project).absolute
        folder = workspace.cwd.replace("\\", "/")
        declarations, _ = load_declarations(tuple(telling_dependencies(project).items()), folder=folder)
        self._groups = groups
        self._leader = list(range(len(groups)))
        self._first: dict[str, int] = {}
        """The first group of each file, by the path that reports show."""
        for number, group in enumerate(groups):
            for key in sorted(group.members):
                path = workspace.display(absolute[key])
                for place in (path, *(pin.path for pin in declarations.declared_for(path).pins)):
                    other = self._first.setdefault(place, number)
                    self._leader[self._find(number)] = self._find(other)

    def leader_of(self, path: str) -> int | None:
        """The number that stands for all groups which have to do with a file; None where none has."""
        first = self._first.get(path)
        return None if first is None else self._find(first)

    def together(self, leader: int) -> tuple[Group, ...]:
        """Every group that a leader stands for."""
        return tuple(group for n, group in enumerate(self._groups) if self._find(n) == leader)

    def _find(self, number: int) -> int:
        while self._leader[number] != number:
            self._leader[number] = number = self._leader[self._leader[number]]
        return number
