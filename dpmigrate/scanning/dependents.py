"""What the answers of a scan depend on, as keys under which they are kept.

A key covers everything that can change an answer: this tool and what it is built on, the options, where the
files are shown from, which files there are by name, and the bytes of those that the answer was made from.
Nothing is taken from the times of a project's files.
"""

# Part of every scan that has anything to look at, where pathlib is slow to import.
# ruff: noqa: PTH118, PTH120

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from copy import copy
from importlib.util import find_spec
from typing import TYPE_CHECKING

from dpmigrate import __version__
from dpmigrate.project import Project
from dpmigrate.project.dependencies import telling_dependencies
from dpmigrate.scanning.cache import bytes_digest
from dpmigrate.workspace.reading import read_bytes

if TYPE_CHECKING:
    from dpmigrate.analysis.source.components import Group
    from dpmigrate.scanning.offering import Cluster
    from dpmigrate.scanning.shares import Share

_BUILT_ON = ("libcst", "packaging", "pathspec")


class Dependents:
    """The keys of one scan's answers."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._workspace = workspace = project.workspace
        self._root = workspace.root.rstrip("/") + "/"
        self._digests: dict[str, str] = {}
        files = ("-",) if "-" in project.seeds else workspace.files
        pins = telling_dependencies(project)
        self._keys = sorted(path.removeprefix(self._root) for path in files)
        self._common = texts_digest(
            tool(),
            *self._options(),
            workspace.display(workspace.root),
            os.path.relpath(workspace.cwd, workspace.root),
            *self._keys,
            *("/dependency files/", *map(self._placeless, workspace.dependency_files)),
            *(
                "/pins/",
                *(f"{path} {bytes_digest(data)} {self._aim(path)}" for path, data in sorted(pins.items())),
            ),
        )

    def again(self) -> Dependents:
        """The same for the files as they are now."""
        other = copy(self)
        other._digests = {}
        return other

    def _options(self) -> Iterable[str]:
        """Those of the command line, and the configuration of every folder with a file of the project."""
        settings = self._workspace.settings
        yield repr(settings.given)
        paths = (*self._workspace.files, *self._workspace.dependency_files, *self._workspace.target_files)
        for folder in sorted({os.path.dirname(path) for path in paths}):
            yield self._placeless(f"{folder} {settings.config_of_folder(folder)!r}")

    def _placeless(self, text: str) -> str:
        """A text that names files where the checkout stands, as it would be wherever it stands."""
        return text.replace(self._root.rstrip("/") or "/", "<root>")

    def of_all(self) -> str:
        """The key of the answer for the whole project."""
        failed = map(repr, self._project.unreadable)
        return texts_digest("all", self._common, *failed, *map(self._state, self._keys))

    def of_group(self, group: Group) -> str:
        """The key of the answer for one group, as far as it is known before the analysis."""
        members = sorted(group.members)
        return texts_digest("group", self._common, *group.entries, *map(self._state, members))

    def of_share(self, group: Group, share: Share) -> str:
        """The key of the answer for one group, with the files that its analysis turned out to ask for."""
        return self.with_others(group, share.asked - group.members)

    def with_others(self, group: Group, keys: Iterable[str]) -> str:
        """The key of the answer for one group whose analysis asks for some files besides its members."""
        return texts_digest("share", self.of_group(group), *map(self._state, sorted(keys)))

    def of_cluster(self, cluster: Cluster, shares: Mapping[Group, Share]) -> str:
        """The key of what the findings of some groups have on offer."""
        return texts_digest("offers", *(self.of_share(group, shares[group]) for group in cluster.groups))

    def of_groups_together(self, cluster: Cluster) -> str:
        """The key of what is known of some groups whatever stands in their files."""
        names = (f"{' '.join(group.entries)}/{' '.join(sorted(group.members))}" for group in cluster.groups)
        return texts_digest("together", self._common, *names)

    def _state(self, key: str) -> str:
        """The bytes of a file, and whether findings in it are reported."""
        if key not in self._digests:
            path = key if key == "-" else os.path.join(self._root, key)
            data = self._project.seeds.get(path)
            try:
                held = bytes_digest(read_bytes(path) if data is None else data)
            except OSError as error:
                held = f"errno {error.errno}"
            aimed = path == "-" or self._workspace.is_target(path)
            self._digests[key] = f"{key} {held} {aimed}"
        return self._digests[key]

    def _aim(self, shown: str) -> bool:
        return self._workspace.is_target(self._workspace.absolute(shown))


def tool() -> str:
    """This tool as it is: its files, Python's version, and those of the packages that it is built on."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100
    beside = os.path.join(os.path.dirname(package), "rules")
    files = sorted(file for folder in (package, beside) for file in _files(folder))
    return texts_digest(__version__, sys.version, *map(_release, _BUILT_ON), *map(_content, files))


def _files(folder: str) -> Iterable[str]:
    """The modules and advisories below a folder; none where it is not there."""
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        if entry.is_dir():
            if entry.name != "__pycache__":
                yield from _files(entry.path)
        elif entry.name.endswith((".py", ".md")):
            yield entry.path


def _content(path: str) -> str:
    return bytes_digest(read_bytes(path))


def _release(package: str) -> str:
    """The installed release of a package by its metadata's name, for importlib.metadata is slow to import."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return package
    site = os.path.dirname(os.path.dirname(spec.origin))
    held = [name for name in os.listdir(site) if name.startswith(f"{package}-") and name.endswith("-info")]  # noqa: PTH208
    return " ".join(sorted(held))


def texts_digest(*parts: str) -> str:
    """A digest of several texts."""
    return bytes_digest(*(part.encode("utf-8", "surrogateescape") for part in parts))
