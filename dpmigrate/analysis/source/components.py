"""Which modules of a project have to do with one another: those that imports connect.

Nothing flows between two components, so each is interpreted on its own: an examples folder of
fifty scripts costs fifty small analyses, which can also run in several processes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from dpmigrate.analysis.source.modules import Modules
from dpmigrate.analysis.source.texts import without_payloads

_IMPORT = re.compile(
    rb"""(?:^|["'\n\r;:]|\\n)[ \t]*(?:
        from[ \t]+(?P<base>[.\w]+)[ \t]+import[ \t]*(?:\((?P<several>[^)]*)\)|(?P<names>[^#;"'\n\r\\(]+))
      | import[ \t]+(?P<modules>[^#;"'\n\r\\]+)
      | %run[ \t][^"'\n\r\\]*?(?P<run>\w[\w/]*)\.py\b)""",
    re.VERBOSE,
)
"""Import statements in the text of a module, or of a notebook's JSON, where a cell may be one string
with escaped line breaks; strings that look like one connect too much, which costs time and nothing else."""

_NAME = re.compile(rb"(?:^|[,(\s]|\\n)([.\w]+)")


def imports_in(modules: Modules, key: str, text: bytes) -> Iterator[str]:
    """The files of the project that the text of the module ``key`` may import."""
    for statement in _IMPORT.finditer(without_payloads(text)):
        base = statement["base"]
        if statement["run"] is not None:
            level, wanted = 0, [statement["run"].decode("ascii", "replace").replace("/", ".")]
        elif base is not None:
            dotted = base.decode("ascii", "replace")
            level = len(dotted) - len(dotted.lstrip("."))
            dotted = dotted.lstrip(".")
            names = [
                n.decode("ascii", "replace")
                for n in _NAME.findall(statement["several"] or statement["names"] or b"")
            ]
            wanted = [dotted, *(f"{dotted}.{name}".strip(".") for name in names)]
        else:
            level = 0
            wanted = [n.decode("ascii", "replace") for n in _NAME.findall(statement["modules"])]
        for name in wanted:
            parts = name.split(".")
            for end in range(1, len(parts) + 1):
                path = modules.path_of(".".join(parts[:end]), key, level)
                if path is not None:
                    yield path


class Group(NamedTuple):
    """Modules that have to do with one another, and with no others."""

    entries: tuple[str, ...]
    """Where an analysis begins."""
    members: frozenset[str]
    """The entries, and everything that they import."""
    beside: frozenset[str] = frozenset()
    """The members that do not speak of torch, and from which no import leads to where a run may be made."""

    @property
    def size(self) -> int:
        """The number of modules."""
        return len(self.members)


def components(entries: Sequence[str], imports: Callable[[str], Iterable[str]]) -> list[Group]:
    """The entries in groups that share no module, in the order of each group's first entry.

    ``imports`` gives the modules that one module imports; it is asked once for each.
    """
    leader: dict[str, str] = {}

    def find(key: str) -> str:
        while leader.setdefault(key, key) != key:
            leader[key] = key = leader[leader[key]]
        return key

    seen: set[str] = set()
    pending = list(entries)
    while pending:
        key = pending.pop()
        if key in seen:
            continue
        seen.add(key)
        for other in imports(key):
            leader[find(other)] = find(key)
            pending.append(other)
    begin: dict[str, list[str]] = {}
    for key in entries:
        begin.setdefault(find(key), []).append(key)
    members: dict[str, set[str]] = {}
    for key in seen:
        members.setdefault(find(key), set()).add(key)
    return [Group(tuple(keys), frozenset(members[first])) for first, keys in begin.items()]
