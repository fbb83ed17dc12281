"""Every regular file of a folder tree that can matter, by git where there is git, else by a walk.

Both give absolute paths of regular files. A link is never followed out of the tree: a link to a
folder is skipped (its target, when inside, is listed at its own place), and a link to a file
yields the file itself. Dangling links and files that git lists but that are gone are left out.
"""

# Run once for every file of a project, where pathlib is several times slower.
# ruff: noqa: PTH112, PTH116, PTH118, PTH123

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator

from dpmigrate.workspace.gitignore import Gitignore, read_gitignore
from dpmigrate.workspace.names import SKIPPED_FOLDERS, SKIPPED_PART, is_dependency_file, is_source

_SUBMODULE_PATH = re.compile(r"^\s*path\s*=\s*(.+?)\s*$", re.MULTILINE)


def list_tree(root: str, excluded: Callable[[str], bool]) -> tuple[set[str], set[str]]:
    """(sources, dependency files) below ``root``, ignored files and virtual environments left out.

    ``excluded`` says of the absolute path of a file whether the configuration leaves it out.
    """
    sources: set[str] = set()
    dependencies: set[str] = set()
    for path, real in _paths(root):
        if excluded(path):
            continue
        if is_source(path):
            sources.add(real)
        if is_dependency_file(path):
            dependencies.add(real)
    return sources, dependencies


def list_folder(folder: str, excluded: Callable[[str], bool] | None) -> tuple[set[str], set[str]]:
    """(sources, dependency files) below a folder that the user named although it is ignored."""
    found = [pair for pair in _walk(folder) if excluded is None or not excluded(pair[0])]
    sources = {real for path, real in found if is_source(path)}
    return sources, {real for path, real in found if is_dependency_file(path)}


def _regular(path: str, root: str) -> str | None:
    """The regular file at ``path``, links inside ``root`` resolved; None for anything else."""
    try:
        mode = os.lstat(path).st_mode
        if stat.S_ISREG(mode):
            return path
        if not stat.S_ISLNK(mode):
            return None
        real = os.path.realpath(path)
        inside = real.startswith(root.rstrip("/") + "/")
        if not inside or SKIPPED_PART.search(real[len(root) :]):
            return None
        return real if stat.S_ISREG(os.stat(real).st_mode) else None
    except (OSError, ValueError):
        return None


def _git_files(root: str) -> list[tuple[str, str]] | None:
    """Tracked files, and untracked ones that are not ignored; None when git cannot tell.

    Pairs of a path that may matter and the regular file it stands for, as everywhere here.
    """
    import subprocess  # costs as much as all of this module; not needed outside of repositories

    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    environment["GIT_OPTIONAL_LOCKS"] = "0"
    # fsmonitor names a program of the repository's choice, which a scan must not start.
    command = ["git", "-c", "core.fsmonitor=false", "ls-files", "-co", "--exclude-standard", "-z"]
    try:
        result = subprocess.run(command, cwd=root, env=environment, capture_output=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if result.returncode != 0:
        return None
    names = os.fsdecode(result.stdout).split("\0")
    environments = tuple(name[: -len("pyvenv.cfg")] for name in names if name.endswith("/pyvenv.cfg"))
    prefix = root.rstrip("/") + "/"
    paths: list[tuple[str, str]] = []
    for name in names:
        if name.endswith("/"):
            paths += _paths(prefix + name.rstrip("/"))
        elif not _may_matter(name) or SKIPPED_PART.search(name) or name.startswith(environments):
            continue
        elif (real := _regular(prefix + name, root)) is not None:
            paths.append((prefix + name, real))
    for submodule in _submodules(root):
        if os.path.isdir(submodule):
            paths += _paths(submodule)
    return paths


def _paths(folder: str) -> list[tuple[str, str]]:
    """Paths below a folder, by git where it is a repository (git lists none of a nested one)."""
    found = _git_files(folder) if os.path.lexists(folder + "/.git") else None
    return list(_walk(folder)) if found is None else found


def _submodules(root: str) -> list[str]:
    try:
        with open(root + "/.gitmodules", encoding="utf-8", errors="replace") as stream:
            text = stream.read()
    except OSError:
        return []
    folders = (os.path.normpath(os.path.join(root, m)) for m in _SUBMODULE_PATH.findall(text))
    return [f for f in folders if f.startswith(root.rstrip("/") + "/")]


def _walk(top: str) -> Iterator[tuple[str, str]]:
    """Files below ``top`` by a plain walk, nested ``.gitignore`` files honoured."""
    pending: list[tuple[str, Gitignore | None]] = [(top, None)]
    while pending:
        folder, ignores = pending.pop()
        try:
            with os.scandir(folder) as entries:
                children = list(entries)
        except OSError:
            continue
        names = {entry.name for entry in children}
        if "pyvenv.cfg" in names and folder != top:
            continue
        if ".gitignore" in names:
            ignores = read_gitignore(folder, ignores)
        for entry in children:
            if entry.is_dir(follow_symlinks=False):
                if entry.name in SKIPPED_FOLDERS or (ignores and ignores.ignored(entry.path, folder=True)):
                    continue
                pending.append((entry.path, ignores))
            elif not _may_matter(entry.name, folder) or (ignores and ignores.ignored(entry.path)):
                continue
            elif entry.is_file(follow_symlinks=False):
                yield entry.path, entry.path
            elif (real := _regular(entry.path, top)) is not None:
                yield entry.path, real


def _may_matter(name: str, folder: str = "") -> bool:
    return is_source(name) or is_dependency_file(f"{folder}/{name}")


def under(paths: Iterable[str], folder: str) -> bool:
    """Whether any of the paths lies below ``folder``."""
    prefix = folder.rstrip("/") + "/"
    return any(path.startswith(prefix) for path in paths)
