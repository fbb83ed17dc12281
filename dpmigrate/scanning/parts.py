"""The parts that a scan is made of: groups of modules, and which of them no other shares a pin with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from dpmigrate.project.dependencies import telling_dependencies

if TYPE_CHECKING:
    from dpmigrate.analysis.source.components import Group
    from dpmigrate.project import Project


class Part(NamedTuple):
    """One group of modules."""

    group: Group
    alone: bool
    """Whether no pin governs both it and another group: its fixes have to do with it alone."""

    @property
    def size(self) -> int:
        """The number of its modules."""
        return self.group.size


def parts_of(project: Project, pending: Sequence[Group], groups: Sequence[Group]) -> list[Part]:
    """Those of all ``groups`` that are to be analysed, as parts."""
    if not pending:
        return []
    if len(groups) == 1:
        return [Part(groups[0], True)]
    leaders = SharedPins(project, groups)
    return [Part(group, leaders.is_alone(group)) for group in pending]


class SharedPins:
    """Which groups a file belongs to, where a dependency file belongs to every group that it governs."""

    def __init__(self, project: Project, groups: Sequence[Group]) -> None:
        from dpmigrate.project.texts import Texts
        from dpmigrate.versions.project import load_declarations

        workspace = project.workspace
        absolute = Texts(project).absolute
        declarations, _ = load_declarations(
            tuple(telling_dependencies(project).items()),
            folder=workspace.cwd.replace("\\", "/"),
            known=project.parsed_dependencies,
        )
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
        self._together: dict[int, list[Group]] = {}
        for number, group in enumerate(groups):
            self._together.setdefault(self._find(number), []).append(group)
        self._alone = {held[0] for held in self._together.values() if len(held) == 1}

    def is_alone(self, group: Group) -> bool:
        """Whether a group shares no file with another, a dependency file that governs it included."""
        return group in self._alone

    def leader_of(self, path: str) -> int | None:
        """The number that stands for all groups which have to do with a file; None where none has."""
        first = self._first.get(path)
        return None if first is None else self._find(first)

    def together(self, leader: int) -> tuple[Group, ...]:
        """Every group that a leader stands for."""
        return tuple(self._together[leader])

    def _find(self, number: int) -> int:
        while self._leader[number] != number:
            self._leader[number] = number = self._leader[self._leader[number]]
        return number
