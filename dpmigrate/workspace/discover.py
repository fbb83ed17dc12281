"""From the PATHs of the command line to the files of the whole project.

PATH limits what is reported and written (:meth:`Workspace.is_target`); the analysis reads the
whole project (:attr:`Workspace.files`). Listing is lazy: a run that needs only the named files
never walks the project.
"""

# Run once for every file of a project, where pathlib is several times slower.
# ruff: noqa: PTH100, PTH116, PTH118, PTH120

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from copy import copy
from functools import cached_property
from typing import TYPE_CHECKING

from dpmigrate.model import NotAnalysed, Place
from dpmigrate.workspace.config import Config
from dpmigrate.workspace.errors import UsageError
from dpmigrate.workspace.listing import Listing
from dpmigrate.workspace.names import named_kind
from dpmigrate.workspace.roots import display_path
from dpmigrate.workspace.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path


class Workspace:
    """The files of one scan or fix. All paths are absolute, links resolved, sorted.

    ``roots`` holds one project root per group of PATHs; ``root`` is the only one, or the folder
    that all of them share. ``settings`` are the options of its files. ``not_analysed`` lists PATHs
    that exist but hold no readable file.
    """

    def __init__(
        self,
        settings: Settings,
        roots: Sequence[str],
        target_files: Sequence[str],
        target_folders: Sequence[str],
        not_analysed: Sequence[NotAnalysed],
    ) -> None:
        self.settings = settings
        self.cwd = settings.cwd
        self.roots = tuple(roots)
        self.target_files = tuple(target_files)
        self.target_folders = tuple(target_folders)
        self.not_analysed = tuple(not_analysed)
        self._named = frozenset(target_files)
        self._inside = tuple(folder.rstrip("/") + "/" for folder in target_folders)

    def widened(self) -> Workspace:
        """The same files, all of which may be reported and written."""
        other = copy(self)
        other.target_folders = self.roots
        other._inside = tuple(root.rstrip("/") + "/" for root in self.roots)
        other.__dict__.pop("targets", None)
        return other

    @property
    def root(self) -> str:
        """The project root; for PATHs of several projects the folder that holds them all."""
        return os.path.commonpath(self.roots)

    @property
    def config(self) -> Config:
        """The configuration of what all PATHs have in common: for what cannot go by each file."""
        paths = (*self.target_files, *self.target_folders)
        return self.settings.config_of_folder(os.path.commonpath(paths) if paths else self.cwd)

    @cached_property
    def _listed(self) -> Listing:
        listing = Listing(self.settings.excluded)
        for root in self.roots:
            listing.add_tree(root)
        for folder in self.target_folders:
            if folder not in self.roots and not listing.holds(folder):
                listing.add_folder(folder, although_excluded=not self.settings.force_exclude)
        for path in self.target_files:
            source, dependency = named_kind(path)
            if source:
                listing.sources.add(path)
            if dependency:
                listing.dependencies.add(path)
        self.settings.check(listing.dependencies)
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
    def left_over(self) -> tuple[str, ...]:
        """Temporary files of fixes among the PATHs; those of one that was killed stay there."""
        return tuple(sorted(path for path in self._listed.left_over if self.is_target(path)))

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
        return tuple(dict.fromkeys((*self.settings.warnings, *said)))

    @cached_property
    def targets(self) -> tuple[str, ...]:
        """The files among :attr:`files` that may be reported and written."""
        if not self.target_folders:
            return tuple(sorted(p for p in self._named if named_kind(p)[0]))
        return tuple(p for p in self.files if self.is_target(p))

    @property
    def names_any(self) -> bool:
        """Whether any source or dependency file is inside the PATHs that the user gave."""
        return any(map(self.is_target, self.files)) or any(map(self.is_target, self.dependency_files))

    def is_target(self, path: str | Path) -> bool:
        """Whether an absolute path lies inside the PATHs that the user gave."""
        text = str(path)
        return text in self._named or text.startswith(self._inside)

    def display(self, path: str | Path) -> str:
        """The path as reports show it: POSIX, relative to the current folder."""
        return display_path(str(path), self.cwd)

    def absolute(self, shown: str) -> str:
        """The absolute path behind one that reports show; ``-`` (standard input) stays what it is."""
        return self.settings.absolute(shown)


def discover(paths: Sequence[str | Path], settings: Settings, unsaved: str | None = None) -> Workspace:
    """The workspace of the given PATHs (the current folder when there are none).

    ``unsaved`` is one of them that need not be on disk.

    Raises :class:`UsageError` for a PATH that does not exist, and for a wrong configuration.
    """
    here = settings.cwd
    files: dict[str, None] = {}
    folders: dict[str, None] = {}
    roots: dict[str, None] = {}
    refused: list[NotAnalysed] = []
    for given in paths or (here,):
        path = os.path.abspath(os.path.join(here, given))
        shown = display_path(path, here)
        if given == unsaved:
            real = os.path.realpath(path)
            roots.setdefault(settings.roots.root_of(os.path.dirname(real)))
            files.setdefault(real)
            settings.config_of(real)
            continue
        try:
            mode = os.lstat(path).st_mode
        except (OSError, ValueError) as error:
            raise UsageError(f"{given}: no such file or folder") from error
        real = os.path.realpath(path)
        try:
            kind = os.stat(real).st_mode
        except OSError:
            refused.append(NotAnalysed(shown, 1, "dangling link"))
            roots.setdefault(settings.roots.root_of(os.path.realpath(os.path.dirname(path))))
            continue
        if stat.S_ISDIR(kind):
            folders.setdefault(real)
            roots.setdefault(settings.roots.root_of(real))
            settings.config_of_folder(real)
            continue
        parent = os.path.realpath(os.path.dirname(path))
        root = settings.roots.root_of(parent)
        roots.setdefault(root)
        if settings.force_exclude and settings.excluded(real):
            continue
        if not stat.S_ISREG(kind):
            refused.append(NotAnalysed(shown, 1, "not a regular file"))
        elif stat.S_ISLNK(mode) and not real.startswith(root.rstrip("/") + "/"):
            refused.append(NotAnalysed(shown, 1, "link out of the project"))
        else:
            files.setdefault(real)
            settings.config_of(real)
    return Workspace(settings, tuple(roots), tuple(files), tuple(folders), refused)
