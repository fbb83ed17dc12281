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
import subprocess
from collections.abc import Iterable, Iterator

from dpmigrate.workspace.ignores import Ignores, read_ignores
from dpmigrate.workspace.names import SKIPPED_FOLDERS, SKIPPED_PART, is_dependency_file, is_source

_SUBMODULE_PATH = re.compile(r"^\s*path\s*=\s*(.+?)\s*$", re.MULTILINE)


def list_tree(root: str, excluded: Ignores | None = None) -> tuple[set[str], set[str]]:
    """(sources, dependency files) below ``root``, ignored files and virtual environments left out."""
    sources: set[str] = set()
    dependencies: set[str] = set()
    for path in _paths(root):
        source, dependency = is_source(path), is_dependency_file(path)
        if not (source or dependency) or (excluded is not None and excluded.ignored(path)):
            continue
        real = _regular(path, root)
        if real is None:
            continue
        if source:
            sources.add(real)
        if dependency:
            dependencies.add(real)
    return sources, dependencies


def list_folder(folder: str) -> tuple[set[str], set[str]]:
    """(sources, dependency files) below a folder that the user named although it is ignored."""
    paths = [p for p in (_regular(path, folder) for path in _walk(folder)) if p is not None]
    return {p for p in paths if is_source(p)}, {p for p in paths if is_dependency_file(p)}


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


def _git_files(root: str) -> list[str] | None:
    """Tracked files, and untracked ones that are not ignored; None when git cannot tell."""
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
    paths = []
    for name in names:
        if name.endswith("/"):
            paths += _paths(prefix + name.rstrip("/"))
        elif name and not SKIPPED_PART.search(name) and not (environments and name.startswith(environments)):
            paths.append(prefix + name)
    for submodule in _submodules(root):
        if os.path.isdir(submodule):
            paths += _paths(submodule)
    return paths


def _paths(folder: str) -> list[str]:
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


def _walk(top: str) -> Iterator[str]:
    """Files below ``top`` by a plain walk, nested ``.gitignore`` files honoured."""
    pending: list[tuple[str, Ignores | None]] = [(top, None)]
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
            ignores = read_ignores(folder, ignores)
        for entry in children:
            if entry.is_dir(follow_symlinks=False):
                if entry.name in SKIPPED_FOLDERS or (ignores and ignores.ignored(entry.path, folder=True)):
                    continue
                pending.append((entry.path, ignores))
            elif _may_matter(entry.path) and not (ignores and ignores.ignored(entry.path)):
                yield entry.path


def _may_matter(path: str) -> bool:
    return is_source(path) or is_dependency_file(path)


def under(paths: Iterable[str], folder: str) -> bool:
    """Whether any of the paths lies below ``folder``."""
    prefix = folder.rstrip("/") + "/"
    return any(path.startswith(prefix) for path in paths)
