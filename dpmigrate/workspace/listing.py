"""Every regular file of a folder tree that can matter.

Absolute paths of regular files, in repositories those that git tracks or does not ignore. No program
is run, git neither, and nothing outside of the tree is read: a link to a folder is skipped (its target,
when inside, is listed at its own place), a link to a file inside yields the file itself. Dangling links
are left out. As git does, a repository inside is listed by its own rules.
"""

# Run once for every file of a project, where pathlib is several times slower.
# ruff: noqa: PTH116

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from typing import NamedTuple

from dpmigrate.workspace.gitignore import Gitignore, read_gitignore
from dpmigrate.workspace.names import SKIPPED_FOLDERS, SKIPPED_PART, is_dependency_file, is_source, writer_of
from dpmigrate.workspace.reading import reason_of
from dpmigrate.workspace.tracked import Tracked, exclude_file, git_folder, tracked


class ListingProblem(NamedTuple):
    """What the listing could not do at an absolute path; ``fails`` where files may be missing for it."""

    path: str
    line: int
    reason: str
    fails: bool


class Listing:
    """What lies below some folders: absolute paths of sources and of dependency files, and problems."""

    def __init__(self, excluded: Callable[[str], bool]) -> None:
        """``excluded`` says of the absolute path of a file whether the configuration leaves it out."""
        self.sources: set[str] = set()
        self.dependencies: set[str] = set()
        self.problems: list[ListingProblem] = []
        self.left_over: set[str] = set()
        """Temporary files of a fix, which are there after one that was killed."""
        self._excluded = excluded

    def add_tree(self, root: str) -> None:
        """All files below a project's root, ignored files and virtual environments left out."""
        for path, real in self._walk(root):
            if not self._excluded(path):
                self._add(path, real)

    def add_folder(self, folder: str, although_excluded: bool) -> None:
        """Files below a folder that the user named although it is ignored."""
        for path, real in self._walk(folder):
            if although_excluded or not self._excluded(path):
                self._add(path, real)

    def _add(self, path: str, real: str) -> None:
        if is_source(path):
            self.sources.add(real)
        if is_dependency_file(path):
            self.dependencies.add(real)

    def holds(self, folder: str) -> bool:
        """Whether any file was found below ``folder``."""
        prefix = folder.rstrip("/") + "/"
        return any(path.startswith(prefix) for paths in (self.sources, self.dependencies) for path in paths)

    def _walk(self, top: str) -> Iterator[tuple[str, str]]:
        """Pairs of a path that may matter and the regular file it stands for."""
        pending = [_Folder(top, None, None, False)]
        while pending:
            at = pending.pop()
            try:
                with os.scandir(at.path) as entries:
                    children = list(entries)
            except FileNotFoundError:
                continue
            except OSError as error:
                self.problems.append(ListingProblem(at.path, 1, reason_of(error), fails=True))
                continue
            names = {entry.name for entry in children}
            if "pyvenv.cfg" in names and at.path != top:
                continue
            if ".git" in names and (folder := git_folder(at.path)) is not None:
                at = self._repository(at.path, folder)
            ignores, repository, hidden = at.ignores, at.repository, at.hidden
            if ".gitignore" in names:
                ignores = self._rules(at.path + "/.gitignore", at.path, ignores)
            for entry in children:
                path = entry.path
                is_folder = entry.is_dir(follow_symlinks=False)
                if entry.name in SKIPPED_FOLDERS if is_folder else not _may_matter(entry.name, at.path):
                    if not is_folder and writer_of(entry.name) is not None:
                        self.left_over.add(path)
                    continue
                ignored = hidden or (ignores is not None and ignores.says(path, is_folder))
                if ignored and (repository is None or not repository.knows(path, is_folder)):
                    continue
                if is_folder:
                    pending.append(_Folder(path, ignores, repository, ignored))
                elif entry.is_file(follow_symlinks=False):
                    yield path, path
                elif (real := _regular(path, top)) is not None:
                    yield path, real

    def _repository(self, root: str, folder: str) -> _Folder:
        """The top folder of a repository: no rules from above it hold here."""
        exclude = exclude_file(folder)
        ignores = None if exclude is None else self._rules(exclude, root, None)
        return _Folder(root, ignores, _Repository(root, folder), False)

    def _rules(self, path: str, folder: str, above: Gitignore | None) -> Gitignore | None:
        def warn(line: int, reason: str) -> None:
            self.problems.append(ListingProblem(path, line, reason, fails=False))

        return read_gitignore(path, folder.rstrip("/") + "/", above, warn)


class _Folder(NamedTuple):
    """A folder to list; ``hidden`` where all but what is tracked is ignored."""

    path: str
    ignores: Gitignore | None
    repository: _Repository | None
    hidden: bool


class _Repository:
    """What a repository tracks; its index is read when something in it is ignored."""

    def __init__(self, root: str, git: str) -> None:
        self._git = git
        self._start = len(root.rstrip("/")) + 1
        self._names: Tracked | None = None

    def knows(self, path: str, folder: bool) -> bool:
        """Whether the file, or anything that matters in the folder, at an absolute path is tracked."""
        if self._names is None:
            self._names = tracked(self._git, _may_matter)
        return path[self._start :] in (self._names.folders if folder else self._names.files)


def _regular(path: str, root: str) -> str | None:
    """The regular file at ``path``, links inside ``root`` resolved; None for anything else."""
    try:
        if not stat.S_ISLNK(os.lstat(path).st_mode):
            return None
        real = os.path.realpath(path)
        inside = real.startswith(root.rstrip("/") + "/")
        if not inside or SKIPPED_PART.search(real[len(root) :]):
            return None
        return real if stat.S_ISREG(os.stat(real).st_mode) else None
    except (OSError, ValueError):
        return None


def _may_matter(name: str, folder: str = "") -> bool:
    return is_source(name) or is_dependency_file(f"{folder}/{name}")
