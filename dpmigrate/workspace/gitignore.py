"""Ignore files: nested ``.gitignore`` files, and the ``exclude`` option.

The syntax is git's (https://git-scm.com/docs/gitignore). No pattern takes longer than in proportion
to the path, and one without meaning is passed over with a warning that names its place.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable

from dpmigrate.workspace.glob import Matcher, Pattern, PatternError, read_pattern, simple_regex
from dpmigrate.workspace.reading import read_at_most

MOST_BYTES = 1_000_000
"""Bytes of an ignore file that is read."""
MOST_WILD = 1_000
"""Patterns with wildcards that one path is held against, those of the folders above included."""

_Said = tuple[int, bool]
"""The number of a pattern, and whether it ignores (or re-includes) what it matches."""
_Wild = tuple[_Said, bool, Callable[[str], object]]
"""What a pattern says, whether it is for folders alone, and whether it matches a relative path."""
Warn = Callable[[int, str], None]
"""Told the 1-based number of a pattern, and what is wrong with it."""


def _silent(number: int, text: str) -> None:
    pass


class Gitignore:
    """The patterns of one folder, and those of the folders above it.

    ``base`` is the folder that the patterns are relative to, with a final separator.
    """

    __slots__ = (
        "_above",
        "_any",
        "_base",
        "_costly",
        "_ends",
        "_folders",
        "_names",
        "_simple",
        "empty",
        "wild",
    )

    def __init__(
        self, base: str, patterns: Iterable[str], above: Gitignore | None = None, warn: Warn = _silent
    ) -> None:
        self._base = base
        self._above = above
        self._names: dict[str, _Said] = {}
        """What the last pattern says of a name, or of a path after a slash, that it means and no other."""
        self._folders: dict[str, _Said] = {}
        """The same of patterns for folders alone."""
        self._ends: dict[str, _Said] = {}
        """The same of patterns that are a star and an end, such as ``*.log``."""
        self._simple: list[_Wild] = []
        self._costly: list[_Wild] = []
        self.wild: int = 0 if above is None else above.wild
        """Patterns with wildcards, those of the folders above included."""
        self.empty = True
        """Whether none of its own patterns has a meaning."""
        regexes: list[str] = []
        for number, line in enumerate(patterns, 1):
            try:
                pattern = read_pattern(_as_bytes(line))
            except PatternError as error:
                warn(number, f"the pattern {line.strip()[:80]!r} is passed over: {error}")
                continue
            if pattern is None:
                continue
            self.empty = False
            if self._keep_plain(number, pattern):
                continue
            self.wild += 1
            if self.wild > MOST_WILD:
                if self.wild == MOST_WILD + 1:
                    warn(number, f"patterns with wildcards are passed over from here on: over {MOST_WILD:,}")
                continue
            said = number, not pattern.negated
            regex = simple_regex(pattern)
            if regex is None:
                self._costly.append((said, pattern.folders_only, Matcher(pattern).matches))
            else:
                regexes.append(regex)
                compiled = re.compile(regex + r"\Z", re.DOTALL)
                self._simple.append((said, pattern.folders_only, compiled.match))
        # One alternation answers "no pattern at all" for nearly every path, which is the common case.
        joined = "|".join(f"(?:{regex})" for regex in regexes)
        self._any = re.compile(f"(?:{joined})\\Z", re.DOTALL) if regexes else None

    def _keep_plain(self, number: int, pattern: Pattern) -> bool:
        """Keep a pattern that a look into a table can decide."""
        said = number, not pattern.negated
        literal = pattern.literal
        if literal is not None:
            table = self._folders if pattern.folders_only else self._names
            table["/" + literal if pattern.anchored else literal] = said
            return True
        if not pattern.anchored and not pattern.folders_only:
            segment = str(pattern.segments[0])
            if segment.startswith("*.") and segment[2:].isalnum():
                self._ends[segment[1:]] = said
                return True
        return False

    def says(self, path: str, folder: bool = False) -> bool:
        """Whether the absolute ``path`` itself is ignored, whatever its folders are.

        The innermost decision wins.
        """
        level: Gitignore | None = self
        while level is not None:
            if path.startswith(level._base):
                number, include = level._last(path[len(level._base) :], folder)
                if number:
                    return include
            level = level._above
        return False

    def ignored(self, path: str) -> bool:
        """Whether the file at the absolute ``path`` is ignored, by itself or with a folder that it is in.

        The last pattern that matches either wins; the patterns of folders above are not asked.
        """
        if not path.startswith(self._base):
            return False
        relative = path[len(self._base) :]
        last = self._last(relative, False)
        at = relative.find("/")
        while at >= 0:
            last = max(last, self._last(relative[:at], True))
            at = relative.find("/", at + 1)
        return last[1]

    def _last(self, relative: str, folder: bool) -> _Said:
        """What the last pattern that matches a path says; number 0 where none does."""
        relative = _as_bytes(relative)
        name = relative.rpartition("/")[2]
        last: _Said = (0, False)
        for table in (self._names, self._folders) if folder else (self._names,):
            if table:
                last = max(last, table.get(name, last), table.get("/" + relative, last))
        if self._ends:
            last = max(last, self._ends.get(name[name.rfind(".") :], last))
        if self._any is not None and self._any.match(relative):
            last = _later(self._simple, relative, folder, last)
        return _later(self._costly, relative, folder, last) if self._costly else last


def _as_bytes(text: str) -> str:
    """A path or pattern with a character for each byte of it: bytes are what git matches."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("latin-1")


def _later(patterns: list[_Wild], relative: str, folder: bool, last: _Said) -> _Said:
    """The last of some patterns that matches, if it comes after what has been said so far."""
    for said, folders_only, matches in reversed(patterns):
        if said < last:
            break
        if (folder or not folders_only) and matches(relative):
            return said
    return last


def read_gitignore(
    path: str, base: str, above: Gitignore | None, warn: Callable[[int, str], None]
) -> Gitignore | None:
    """The rules of an ignore file for the folder ``base``, over those ``above``; of no regular file, none.

    ``warn`` is told of a line, and what is not heeded in it.
    """
    text = read_at_most(path, MOST_BYTES)
    if text is None:
        if os.path.lexists(path):
            warn(1, "ignored patterns are not known: no regular file that can be read, of at most 1 MB")
        return above
    lines = text.decode("utf-8", "surrogateescape").removeprefix("\ufeff").split("\n")
    return Gitignore(base, lines, above, warn)
