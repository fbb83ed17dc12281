"""The parts that a scan is made of: groups of modules, and which of them no other shares a pin with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from dpmigrate.project.dependencies import telling_dependencies

if TYPE_CHECKING:
    from dpmigrate.analysis.source.components import Group
    from dpmigrate.project import Project


TOGETHER = 24
"""Groups that are analysed and planned at a time where more than these share a pin."""


class Part(NamedTuple):
    """Groups of modules that are worked on at a time: one, or a few of many that share a pin."""

    groups: tuple[Group, ...]
    numbers: tuple[int, ...]
    """Where each of them stands among all groups of the scan."""
    alone: bool = False
    """Whether no pin governs both it and another group: its fixes have to do with it alone."""
    leader: int | None = None
    """What stands for all that share their pins, where these are many: their fixes are planned at once."""

    @property
    def size(self) -> int:
        """The number of its modules."""
        return sum(group.size for group in self.groups)


def parts_of(project: Project, pending: Sequence[Group], groups: Sequence[Group]) -> list[Part]:
    """Those of all ``groups`` that are to be analysed, as parts."""
    if not pending:
        return []
    if len(groups) == 1:
        return [Part((groups[0],), (0,), True)]
    leaders = SharedPins(project, groups)
    wanted = frozenset(pending)
    parts: list[Part] = []
    for leader in leaders.all:
        together = [number for number in leaders.numbers(leader) if groups[number] in wanted]
        at_once = TOGETHER < len(together) == len(leaders.numbers(leader))
        step = TOGETHER if at_once else 1
        for start in range(0, len(together), step):
            numbers = tuple(together[start : start + step])
            chosen = tuple(groups[number] for number in numbers)
            parts.append(Part(chosen, numbers, leaders.is_alone(chosen[0]), leader if at_once else None))
    return sorted(parts, key=lambda part: part.numbers)


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
        self._together: dict[int, list[int]] = {}
        for number in range(len(groups)):
            self._together.setdefault(self._find(number), []).append(number)
        self._alone = {groups[held[0]] for held in self._together.values() if len(held) == 1}

    @property
    def all(self) -> tuple[int, ...]:
        """The numbers that stand for groups which share pins."""
        return tuple(self._together)

    def numbers(self, leader: int) -> tuple[int, ...]:
        """The numbers of all groups that a leader stands for."""
        return tuple(self._together[leader])

    def is_alone(self, group: Group) -> bool:
        """Whether a group shares no file with another, a dependency file that governs it included."""
        return group in self._alone

    def leader_of(self, path: str) -> int | None:
        """The number that stands for all groups which have to do with a file; None where none has."""
        first = self._first.get(path)
        return None if first is None else self._find(first)

    def together(self, leader: int) -> tuple[Group, ...]:
        """Every group that a leader stands for."""
        return tuple(self._groups[number] for number in self._together[leader])

    def _find(self, number: int) -> int:
        while self._leader[number] != number:
            self._leader[number] = number = self._leader[self._leader[number]]
        return number
