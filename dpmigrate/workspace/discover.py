"""From the PATHs of the command line to the files of the whole project.

PATH limits what is reported and written (:meth:`Workspace.is_target`); the analysis reads the
whole project (:attr:`Workspace.files`). Listing is lazy: a run that needs only the named files
never walks the project.
"""

# Run once for every file of a project, where pathlib is several times slower.
# ruff: noqa: PTH100, PTH113, PTH116, PTH118, PTH120

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from dpmigrate.model import NotAnalysed, Place
from dpmigrate.workspace.errors import UsageError
from dpmigrate.workspace.gitignore import Gitignore
from dpmigrate.workspace.listing import Listing
from dpmigrate.workspace.names import named_kind

if TYPE_CHECKING:
    from pathlib import Path

_PROJECT_MARKS = ("pyproject.toml", "setup.py", "setup.cfg")


class Workspace:
    """The files of one scan or fix. All paths are absolute, links resolved, sorted.

    ``roots`` holds one project root per group of PATHs; ``root`` is the only one, or the folder
    that all of them share. ``not_analysed`` lists PATHs that exist but hold no readable file.
    """

    def __init__(
        self,
        cwd: str,
        roots: Sequence[str],
        target_files: Sequence[str],
        target_folders: Sequence[str],
        not_analysed: Sequence[NotAnalysed],
        excluded: Gitignore | None,
        warnings: Sequence[Place] = (),
    ) -> None:
        self.cwd = cwd
        self.roots = tuple(roots)
        self.target_files = tuple(target_files)
        self.target_folders = tuple(target_folders)
        self.not_analysed = tuple(not_analysed)
        self._excluded = excluded
        self._warnings = tuple(warnings)
        self._named = frozenset(target_files)
        self._inside = tuple(folder.rstrip("/") + "/" for folder in target_folders)

    @property
    def root(self) -> str:
        """The project root; for PATHs of several projects the folder that holds them all."""
        return os.path.commonpath(self.roots)

    @cached_property
    def _listed(self) -> Listing:
        listing = Listing(self._excluded)
        for root in self.roots:
            listing.add_tree(root)
        for folder in self.target_folders:
            if folder not in self.roots and not listing.holds(folder):
                listing.add_folder(folder)
        for path in self.target_files:
            source, dependency = named_kind(path)
            if source:
                listing.sources.add(path)
            if dependency:
                listing.dependencies.add(path)
        return listing

    @cached_property
    def files(self) -> tuple[str, ...]:
        """Every Python source and notebook of the project, and those given by name."""
        return tuple(sorted(self._listed.sources))

    @cached_property
    def dependency_files(self) -> tuple[str, ...]:
        """Every file of the project whose name is that of a dependency file or a lock."""
        return tuple(sorted(self._listed.dependencies))

    @property
    def unlisted(self) -> tuple[NotAnalysed, ...]:
        """Folders among the PATHs that could not be listed; known once the project is walked."""
        failed = [p for p in self._listed.problems if p.fails and self.is_target(f"{p.path}/")]
        said = [NotAnalysed(self.display(p.path), p.line, p.reason) for p in failed]
        return tuple(dict.fromkeys(said))

    @property
    def warnings(self) -> tuple[Place, ...]:
        """What was passed over on the way to the files, and where."""
        passed = [p for p in self._listed.problems if not p.fails]
        said = [Place(self.display(p.path), p.line, p.reason) for p in passed]
        return tuple(dict.fromkeys((*self._warnings, *said)))

    @cached_property
    def targets(self) -> tuple[str, ...]:
        """The files among :attr:`files` that may be reported and written."""
        if not self.target_folders:
            return tuple(sorted(p for p in self._named if named_kind(p)[0]))
        return tuple(p for p in self.files if self.is_target(p))

    def is_target(self, path: str | Path) -> bool:
        """Whether an absolute path lies inside the PATHs that the user gave."""
        text = str(path)
        return text in self._named or text.startswith(self._inside)

    def display(self, path: str | Path) -> str:
        """The path as reports show it: POSIX, relative to the current folder."""
        return display_path(str(path), self.cwd)

    def absolute(self, shown: str) -> str:
        """The absolute path behind one that reports show."""
        return os.path.normpath(os.path.join(self.cwd, shown))


def display_path(path: str, cwd: str) -> str:
    """``path`` relative to ``cwd`` with forward slashes; absolute on another drive."""
    prefix = cwd.rstrip(os.sep) + os.sep
    if path.startswith(prefix):
        relative = path[len(prefix) :]
    else:
        try:
            relative = os.path.relpath(path, cwd)
        except ValueError:
            relative = path
    return relative.replace(os.sep, "/")


def discover(
    paths: Sequence[str | Path],
    cwd: str | Path,
    exclude: Sequence[str] = (),
    exclude_base: str | Path | None = None,
) -> Workspace:
    """The workspace of the given PATHs (``cwd`` when there are none).

    ``exclude`` holds patterns in gitignore syntax, relative to ``exclude_base`` (default
    ``cwd``). Raises :class:`UsageError` for a PATH that does not exist.
    """
    here = os.path.realpath(cwd)
    files: dict[str, None] = {}
    folders: dict[str, None] = {}
    roots: dict[str, None] = {}
    refused: list[NotAnalysed] = []
    for given in paths or (here,):
        path = os.path.abspath(os.path.join(here, given))
        shown = display_path(path, here)
        try:
            mode = os.lstat(path).st_mode
        except (OSError, ValueError) as error:
            raise UsageError(f"{given}: no such file or folder") from error
        real = os.path.realpath(path)
        try:
            kind = os.stat(real).st_mode
        except OSError:
            refused.append(NotAnalysed(shown, 1, "dangling link"))
            roots.setdefault(project_root(os.path.dirname(path)))
            continue
        if stat.S_ISDIR(kind):
            folders.setdefault(real)
            roots.setdefault(project_root(real))
            continue
        parent = os.path.realpath(os.path.dirname(path))
        root = project_root(parent)
        roots.setdefault(root)
        if not stat.S_ISREG(kind):
            refused.append(NotAnalysed(shown, 1, "not a regular file"))
        elif stat.S_ISLNK(mode) and not real.startswith(root.rstrip("/") + "/"):
            refused.append(NotAnalysed(shown, 1, "link out of the project"))
        else:
            files.setdefault(real)
    base = os.path.realpath(exclude_base if exclude_base is not None else here)
    warnings: list[Place] = []
    named = display_path(base, here)

    def warn(number: int, said: str) -> None:
        warnings.append(Place(named, 1, f"exclude: {said}"))

    excluded = Gitignore(base.rstrip("/") + "/", exclude, warn=warn) if exclude else None
    return Workspace(here, tuple(roots), tuple(files), tuple(folders), refused, excluded, warnings)


def project_root(folder: str) -> str:
    """The nearest folder at or above ``folder`` that holds .git, else a project file, else itself."""
    marked = None
    current = os.path.realpath(folder)
    start = current
    while True:
        if os.path.lexists(current + "/.git"):
            return current
        if marked is None and any(os.path.isfile(current + "/" + name) for name in _PROJECT_MARKS):
            marked = current
        parent = os.path.dirname(current)
        if parent == current:
            return marked or start
        current = parent
