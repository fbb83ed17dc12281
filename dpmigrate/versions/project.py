"""Which Opacus versions govern a source file: all declarations of a project, joined.

The nearest folder with declarations governs, from the file's own up to where its repository begins,
together with the shell scripts and Dockerfiles below it; a notebook's own installs and a script's own
metadata come first. Within an environment
(a requirements file with what it includes, a project's metadata with its lock) the pins intersect; the
environments unite, for nobody knows which one a reader installs.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from operator import or_
from types import MappingProxyType

from dpmigrate.model import NotAnalysed, Place
from dpmigrate.workspace.roots import is_repository

from .parsers import parse_file, script
from .parsers.notebook import parse_cells, parse_export
from .parsers.requirements import environment_of
from .pin import Include, Parsed, Pin
from .releases import VersionSet, everything, nothing

_FOLDERS_OF_PINS = frozenset(
    {
        "requirements",
        "requirement",
        "reqs",
        "deps",
        "dependencies",
        "constraints",
        "env",
        "envs",
        "environment",
        "environments",
        "conda",
        "docker",
        "setup",
        "install",
        "installation",
        ".devcontainer",
    }
)
"""Folders that hold their parent's dependency files, not code with dependencies of its own."""

_FOLDERS_OF_COMMANDS = _FOLDERS_OF_PINS | {
    "scripts",
    "script",
    "bin",
    "tools",
    "build",
    "ci",
    "slurm",
    "jobs",
}
"""Folders that, besides, hold the shell scripts of their parent."""


ParsedFiles = dict[tuple[str, bytes], Parsed]
"""What dependency files hold, by path and bytes."""


@dataclass(frozen=True, slots=True)
class Declared:
    """What governs one source file. Without pins, ``versions`` is everything."""

    versions: VersionSet
    pins: tuple[Pin, ...] = ()
    environments: tuple[tuple[Pin, ...], ...] = ()

    def admitting(self, affected: VersionSet) -> tuple[Pin, ...]:
        """The pins to change so that no environment admits an ``affected`` version, locks among them.

        A pin that admits one is left out where another pin of its environment forbids it. One of an extra, a
        group or a marker counts beside a plain pin where it admits nothing else: the raised plain pin would
        leave it nothing to install.
        """
        by_place: dict[tuple[str, int | None, int, str], Pin] = {}
        for pins in self.environments:
            if environment_versions(pins) & affected:
                plain = [pin for pin in pins if not pin.variant] or list(pins)
                bound = [pin for pin in pins if pin.kind == "lock" or not pin.versions - affected]
                for pin in (*plain, *bound):
                    if pin.versions & affected:
                        by_place[pin.path, pin.cell, pin.line, pin.text] = pin
        return tuple(sorted(by_place.values(), key=_order))

    @property
    def places(self) -> tuple[Place, ...]:
        """Where it is declared, for reports."""
        return tuple(dict.fromkeys(pin.place for pin in self.pins))


class Declarations:
    """Every pin of a project.

    The paths of ``pins`` and ``includes`` are absolute, or relative to one folder. ``shown`` holds, by such
    a path, the one that reports show, which the pins have that are given out; ``folder`` is the absolute
    folder that those are relative to.
    """

    def __init__(
        self,
        pins: Iterable[Pin] = (),
        includes: Iterable[Include] = (),
        shown: Mapping[str, str] = MappingProxyType({}),
        folder: str = "",
    ) -> None:
        self._own_pins = tuple(pins)
        self._folder = folder
        self._shown = shown
        self._files: dict[str, list[Pin]] = {}
        """What a notebook or a script asks for itself."""
        self._folders: dict[str, list[Pin]] = {}
        for pin in _with_included(self._own_pins, tuple(includes)):
            if pin.kind in ("notebook", "script"):
                self._files.setdefault(pin.path, []).append(pin)
            else:
                self._folders.setdefault(self._governed_folder(pin), []).append(pin)
        self._declared: dict[str, Declared] = {}
        self._by_path: dict[str, Declared] = {}

    @cached_property
    def pins(self) -> tuple[Pin, ...]:
        """Every pin, in the order of path, cell and line, each place once."""
        return _each_place_once(self._given_out(self._own_pins))

    def _given_out(self, pins: Iterable[Pin]) -> tuple[Pin, ...]:
        """Pins with the paths that reports show."""
        return tuple(replace(pin, path=self._shown.get(pin.path, pin.path)) for pin in pins)

    def declared_for(self, path: str) -> Declared:
        """What governs the source file at a POSIX ``path``, as reports show it."""
        if path not in self._by_path:
            self._by_path[path] = self._declared_for(_placed(self._folder, path))
        return self._by_path[path]

    def _declared_for(self, path: str) -> Declared:
        if path in self._files:
            pins = self._given_out(self._files[path])
            return Declared(environment_versions(pins), pins, (pins,))
        return self._governing(posixpath.dirname(path))

    def _governing(self, folder: str) -> Declared:
        if folder not in self._declared:
            self._declared[folder] = _united(self._given_out(self._pins_over(folder)))
        return self._declared[folder]

    def _pins_over(self, folder: str) -> list[Pin]:
        """The pins of the nearest folder that has any; those of shell commands hide none above them."""
        pins: list[Pin] = []
        while True:
            pins += self._folders.get(folder, ())
            if any(pin.kind != "shell" for pin in pins) or self._is_outermost(folder):
                return pins
            folder = posixpath.dirname(folder)

    def _is_outermost(self, folder: str) -> bool:
        if posixpath.dirname(folder) == folder or posixpath.basename(folder) == "..":
            return True
        return bool(self._folder) and is_repository(folder)

    def _governed_folder(self, pin: Pin) -> str:
        folder, project, _ = pin.environment.rpartition("#")
        if not project:
            folder = posixpath.dirname(pin.environment)
        names = _FOLDERS_OF_COMMANDS if pin.kind == "shell" else _FOLDERS_OF_PINS
        while posixpath.basename(folder).lower() in names and not self._is_outermost(folder):
            folder = posixpath.dirname(folder)
        return folder


def _united(pins: Sequence[Pin]) -> Declared:
    if not pins:
        return Declared(everything())
    environments: dict[str, list[Pin]] = {}
    for pin in pins:
        environments.setdefault(pin.environment, []).append(pin)
    versions = nothing()
    for members in environments.values():
        versions |= environment_versions(members)
    groups = tuple(tuple(members) for members in environments.values())
    return Declared(versions, _each_place_once(pins), groups)


def _placed(folder: str, path: str) -> str:
    """A path that is relative to ``folder`` as one that is as good from everywhere, if that is absolute."""
    return posixpath.normpath(posixpath.join(folder, path))


def _order(pin: Pin) -> tuple[str, int, int, str]:
    return (pin.path, -1 if pin.cell is None else pin.cell, pin.line, pin.text)


def _each_place_once(pins: Iterable[Pin]) -> tuple[Pin, ...]:
    unique = {_order(pin): pin for pin in pins}
    return tuple(sorted(unique.values(), key=_order))


def environment_versions(pins: Sequence[Pin]) -> VersionSet:
    """What one environment admits: its pins intersected.

    Extras, groups and markers are installed together with the plain pins or not at all, so they only count
    where there is no plain pin, and then unite. A lock (the union of its entries, and of several locks)
    narrows all that; one that contradicts the pins is stale and does not count. A git ref is taken
    whatever the specifiers beside it say. The installs of a notebook follow one another, and those of a
    shell script may stand in branches of it.
    """
    if pins and pins[0].kind == "notebook":
        return _after_installs(pins)
    if pins and pins[0].kind == "shell":
        return reduce(or_, (pin.versions for pin in pins))
    locks = [pin for pin in pins if pin.kind == "lock"]
    others = [pin for pin in pins if pin.kind != "lock"]
    versions = _plain_and_variants(others)
    if locks:
        locked = nothing()
        for pin in locks:
            locked |= pin.versions
        versions = locked if locked.has_git or versions.has_git else versions & locked or versions
    return versions


def _plain_and_variants(pins: Sequence[Pin]) -> VersionSet:
    plain = [pin for pin in pins if not pin.variant]
    if plain or not pins:
        return _intersection(plain)
    variants: dict[str, list[Pin]] = {}
    for pin in pins:
        variants.setdefault(pin.variant, []).append(pin)
    versions = nothing()
    for members in variants.values():
        versions |= _intersection(members)
    return versions


def _intersection(pins: Sequence[Pin]) -> VersionSet:
    from_git = [pin for pin in pins if pin.versions.has_git]
    versions = from_git[0].versions if from_git else everything()
    for pin in from_git or pins:
        versions &= pin.versions
    return versions


def _after_installs(pins: Sequence[Pin]) -> VersionSet:
    """What is installed after a notebook's commands, in order: pip keeps what already satisfies."""
    versions = everything()
    for pin in pins:
        kept = versions & pin.versions
        versions = kept if kept and pin.tool != "--upgrade" else pin.versions
    return versions


def _with_included(pins: tuple[Pin, ...], includes: tuple[Include, ...]) -> list[Pin]:
    """The pins, and those of included files once more in the environments of the files that include them.

    A file that others use as constraints is no environment of its own.
    """
    by_path: dict[str, list[Pin]] = {}
    for pin in pins:
        by_path.setdefault(pin.path, []).append(pin)
    targets: dict[str, list[Include]] = {}
    for include in includes:
        targets.setdefault(include.environment, []).append(include)
    only_constraints: set[str] = set()
    extra: list[Pin] = []
    for environment in targets:
        reached: dict[str, bool] = {}
        waiting = list(targets[environment])
        while waiting:
            include = waiting.pop()
            if include.path not in reached:
                reached[include.path] = include.constraint
                waiting += targets.get(environment_of(include.path), ())
        for path, constraint in reached.items():
            extra += [
                replace(p, environment=environment)
                for p in by_path.get(path, ())
                if p.environment != environment
            ]
            if constraint:
                only_constraints.add(path)
    return [pin for pin in pins if pin.path not in only_constraints] + extra


def load_declarations(
    dependency_files: Iterable[tuple[str, bytes]],
    notebooks: Iterable[tuple[str, Sequence[tuple[int, str]]]] = (),
    folder: str = "",
    scripts: Iterable[tuple[str, str]] = (),
    known: ParsedFiles | None = None,
) -> tuple[Declarations, list[NotAnalysed]]:
    """Read every dependency file (POSIX path, bytes) and the code cells of every notebook.

    ``scripts`` are Python files (POSIX path, text) that were exported from notebooks, or carry metadata.

    A notebook is (POSIX path, [(0-based cell index, source as in the file, magics included)]). The paths are
    as reports show them, relative to ``folder`` where that is given (absolute, POSIX): what governs a file
    then does not hang on that folder. Files that cannot be read come back as problems, only where they
    name Opacus. ``known`` has the dependency files that were parsed before, and takes up the others.
    """
    known = {} if known is None else known
    shown: dict[str, str] = {}
    parsed: list[Parsed] = []
    for path, data in dependency_files:
        placed = _placed(folder, path)
        shown[placed] = path
        if (placed, data) not in known:
            known[placed, data] = parse_file(placed, data)
        parsed.append(known[placed, data])
    for path, cells in notebooks:
        shown[_placed(folder, path)] = path
        parsed.append(parse_cells(_placed(folder, path), cells))
    for path, text in scripts:
        shown[_placed(folder, path)] = path
        parsed += (read(_placed(folder, path), text) for read in (parse_export, script.parse))
    pins = [pin for one in parsed for pin in one.pins]
    includes = [include for one in parsed for include in one.includes]
    problems = [p._replace(path=shown.get(p.path, p.path)) for one in parsed for p in one.problems]
    return Declarations(_without_built(pins), includes, shown, folder), problems


def _without_built(pins: list[Pin]) -> list[Pin]:
    """The pins without a built package's metadata where the files that it was built from are there."""
    sources = {pin.environment for pin in pins if pin.kind not in ("metadata", "lock")}
    return [pin for pin in pins if pin.kind != "metadata" or pin.environment not in sources]
