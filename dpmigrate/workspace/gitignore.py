"""Ignore files outside git: nested ``.gitignore`` files, and the ``exclude`` option.

The syntax is git's (https://git-scm.com/docs/gitignore), matched by pathspec, which is
imported only when there is a pattern to match.
"""

# ruff: noqa: PTH123 - run once for every file of a project, where pathlib is several times slower

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec


class Gitignore:
    """The patterns of one folder, and those of the folders above it.

    ``base`` is the folder that the patterns are relative to, with a final separator.
    """

    __slots__ = ("_above", "_any", "_base", "_spec")

    def __init__(self, base: str, patterns: Iterable[str], above: Gitignore | None = None) -> None:
        from pathspec import GitIgnoreSpec

        self._base = base
        self._above = above
        self._spec: GitIgnoreSpec = GitIgnoreSpec.from_lines(patterns)
        # One alternation answers "no pattern at all" for nearly every path, which is the common case.
        compiled = (getattr(pattern, "regex", None) for pattern in self._spec.patterns)
        regexes = [regex.pattern for regex in compiled if regex is not None]
        names = re.compile(r"\(\?P<(\w+)>")
        self._any = re.compile("|".join(f"(?:{names.sub('(?:', r)})" for r in regexes)) if regexes else None

    def ignored(self, path: str, folder: bool = False) -> bool:
        """Whether the absolute ``path`` is ignored; the innermost decision wins."""
        if not path.startswith(self._base):
            return False
        relative = path[len(self._base) :].replace("\\", "/") + ("/" if folder else "")
        if self._any is not None and self._any.match(relative):
            decision = self._spec.check_file(relative).include
            if decision is not None:
                return decision
        return self._above.ignored(path, folder) if self._above is not None else False


def read_gitignore(folder: str, above: Gitignore | None) -> Gitignore | None:
    """The rules of ``folder/.gitignore`` over those ``above``; an unreadable file has no rules."""
    try:
        with open(folder + "/.gitignore", encoding="utf-8", errors="replace") as stream:
            lines = stream.read().splitlines()
    except OSError:
        return above
    return Gitignore(folder.rstrip("/") + "/", lines, above)
