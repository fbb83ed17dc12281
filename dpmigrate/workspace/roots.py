"""Where a project begins, and how reports show a path."""

# Part of every start, and asked for every folder of a project, where pathlib is several times slower.
# ruff: noqa: PTH100, PTH113, PTH118, PTH120

from __future__ import annotations

import os

_MARKS = ("pyproject.toml", "setup.py", "setup.cfg", "requirements.txt")


class Roots:
    """The project roots of folders (absolute, links resolved); each folder is looked at once.

    A root is the nearest folder upward that holds ``.git``; without one, the topmost folder upward
    that holds a file of a project; without that, the folder itself.
    """

    def __init__(self) -> None:
        self._known: dict[str, str | None] = {}

    def root_of(self, folder: str) -> str:
        """The project root of a folder."""
        pending: list[str] = []
        current = folder
        while current not in self._known:
            pending.append(current)
            parent = os.path.dirname(current)
            if parent == current or is_repository(current):
                break
            current = parent
        for below in reversed(pending):
            above = self._known.get(os.path.dirname(below))
            if is_repository(below) or (above is None and _is_marked(below)):
                above = below
            self._known[below] = above
        return self._known[folder] or folder


def is_repository(folder: str) -> bool:
    """Whether a repository begins at a folder (in a worktree or a submodule ``.git`` is a file)."""
    return os.path.lexists(os.path.join(folder, ".git"))


def _is_marked(folder: str) -> bool:
    return any(os.path.isfile(os.path.join(folder, name)) for name in _MARKS)


def leads_out(path: str) -> bool:
    """Whether a file that has its name in a project lies elsewhere, and is none of the project's."""
    folder = os.path.dirname(os.path.abspath(path))
    root = Roots().root_of(folder)
    is_project = is_repository(root) or _is_marked(root)
    return is_project and not os.path.realpath(path).startswith(os.path.realpath(root).rstrip("/") + "/")


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
