"""One gitignore pattern, turned into what matches it in time linear in the path.

git's own matcher, and a regular expression made of the whole pattern, try every way to split a name
among the stars of ``*a*a*a*b``. The parts between two stars can each be taken at their first place
instead, since nothing that is later asked for depends on where an earlier star ended.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

_CLASSES = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "blank": " \\t",
    "cntrl": "\\x00-\\x1f\\x7f",
    "digit": "0-9",
    "graph": "\\x21-\\x7e",
    "lower": "a-z",
    "print": "\\x20-\\x7e",
    "punct": "!-/:-@\\[-`{-~",
    "space": " \\t\\n\\r\\f\\v",
    "upper": "A-Z",
    "xdigit": "0-9a-fA-F",
}
_SPECIAL = re.compile(r"[*?\[\\]")
_LONGEST = 1_000
"""Characters of a pattern; no name of a file is as long."""


class PatternError(ValueError):
    """A pattern that no path can match, or that says nothing; the text says why."""


class Pattern(NamedTuple):
    """A pattern in parts: ``segments`` between slashes (None for ``**``).

    ``negated`` re-includes; ``folders_only`` ends in a slash; ``anchored`` is relative to the pattern's
    folder, where others match a name at any depth and have one segment.
    """

    segments: tuple[str | None, ...]
    negated: bool
    folders_only: bool
    anchored: bool

    @property
    def literal(self) -> str | None:
        """The one path or name that the pattern means, where nothing in it is special."""
        text = "/".join("**" if s is None else s for s in self.segments)
        return None if _SPECIAL.search(text) else text


def read_pattern(line: str) -> Pattern | None:
    """A line of an ignore file; None for a blank line or a comment.

    Raises :class:`PatternError`.
    """
    text = _without_trailing_blanks(line.rstrip("\r"))
    if not text or text.startswith("#"):
        return None
    if len(text) > _LONGEST:
        raise PatternError(f"longer than {_LONGEST:,} characters")
    negated = text.startswith("!")
    text = text[negated:]
    if not text.strip("/"):
        raise PatternError("it names nothing")
    folders_only = text.endswith("/")
    text = text.removesuffix("/")
    anchored = "/" in text
    parts: list[str | None] = []
    for segment in _segments(text.removeprefix("/")):
        if segment == "**" and anchored:
            if not parts or parts[-1] is not None:
                parts.append(None)
            continue
        chunks_of(segment)
        parts.append(segment)
    if parts == [None]:
        parts.append("*")
    if len(parts) == 2 and parts[0] is None:
        # Any folder before one segment: what a pattern without a slash means.
        return Pattern((parts[1],), negated, folders_only, anchored=False)
    return Pattern(tuple(parts), negated, folders_only, anchored)


def _segments(text: str) -> list[str]:
    """What stands between slashes; one in a bracket expression parts nothing, and matches nothing."""
    segments = [""]
    at = 0
    while at < len(text):
        start = at
        if text[at] == "/":
            segments.append("")
            at += 1
            continue
        if text[at] == "[":
            at = _bracket(text, at + 1)[1]
        else:
            at += 2 if text[at] == "\\" else 1
        segments[-1] += text[start:at]
    return segments


def chunks_of(segment: str) -> list[str]:
    """Regular expressions of what stands between the stars of a segment; none of them repeats anything.

    Raises :class:`PatternError`.
    """
    chunks = [""]
    at = 0
    while at < len(segment):
        ch = segment[at]
        at += 1
        if ch == "*":
            if len(chunks) < 2 or chunks[-1]:
                chunks.append("")
        elif ch == "?":
            chunks[-1] += "[^/]"
        elif ch == "[":
            piece, at = _bracket(segment, at)
            chunks[-1] += piece
        elif ch == "\\":
            if at == len(segment):
                raise PatternError("a backslash with nothing after it")
            chunks[-1] += re.escape(segment[at])
            at += 1
        else:
            chunks[-1] += re.escape(ch)
    return chunks


def _bracket(segment: str, at: int) -> tuple[str, int]:
    """The regular expression of a bracket expression that begins before ``at``, and where it ends."""
    negated = segment[at : at + 1] in ("!", "^")
    start = at = at + negated
    items: list[str] = []
    while True:
        if at >= len(segment):
            raise PatternError("a bracket that is not closed")
        ch = segment[at]
        if ch == "]" and at > start:
            break
        named = re.compile(r"\[:(\w*):\]").match(segment, at)
        if named:
            if named[1] not in _CLASSES:
                raise PatternError(f"there is no class [:{named[1]}:]")
            items.append(_CLASSES[named[1]])
            at = named.end()
            continue
        low, at = _character(segment, at)
        if segment[at : at + 1] == "-" and segment[at + 1 : at + 2] not in ("", "]"):
            high, at = _character(segment, at + 1)
            if low <= high:
                items.append(f"{re.escape(low)}-{re.escape(high)}")
        else:
            items.append(re.escape(low))
    inside = "".join(items)
    if negated:
        return f"[^/{inside}]", at + 1
    return f"(?!/)[{inside}]" if inside else r"(?!)", at + 1


def _character(segment: str, at: int) -> tuple[str, int]:
    if segment[at] == "\\":
        at += 1
        if at >= len(segment):
            raise PatternError("a bracket that is not closed")
    return segment[at], at + 1


def _without_trailing_blanks(line: str) -> str:
    """Blanks at the end do not count, unless a backslash stands before them."""
    text = line.rstrip(" ")
    backslashes = len(text) - len(text.rstrip("\\"))
    return text + " " if backslashes % 2 and len(text) < len(line) else text


def simple_regex(pattern: Pattern) -> str | None:
    """One regular expression of a relative path, where few stars leave few ways to match; else None."""
    stars = sum(2 if s is None else len(chunks_of(s)) - 1 for s in pattern.segments)
    if stars > 2:
        return None
    text = "" if pattern.anchored else "(?:.*/)?"
    for index, segment in enumerate(pattern.segments):
        last = index == len(pattern.segments) - 1
        if segment is None:
            text += ".+" if last else "(?:.*/)?"
        else:
            text += "[^/]*".join(chunks_of(segment)) + ("" if last else "/")
    return text


class Matcher:
    """A pattern with many stars, matched part by part, each at its first place."""

    def __init__(self, pattern: Pattern) -> None:
        self._anchored = pattern.anchored
        runs: list[list[_Segment]] = [[]]
        for segment in pattern.segments:
            if segment is None:
                runs.append([])
            else:
                runs[-1].append(_Segment(segment))
        self._runs = runs

    def matches(self, relative: str) -> bool:
        """Whether a path relative to the pattern's folder matches."""
        parts = relative.split("/")
        if not self._anchored:
            return self._runs[0][0].matches(parts[-1])
        first, *rest = self._runs
        if not _fits(first, parts, 0):
            return False
        at = len(first)
        if not rest:
            return at == len(parts)
        *middle, last = rest
        for run in middle:
            while not _fits(run, parts, at):
                at += 1
                if at + len(run) > len(parts):
                    return False
            at += len(run)
        start = len(parts) - max(1, len(last))
        return start >= at and (not last or _fits(last, parts, start))


def _fits(run: Sequence[_Segment], parts: Sequence[str], at: int) -> bool:
    return at + len(run) <= len(parts) and all(s.matches(parts[at + i]) for i, s in enumerate(run))


class _Segment:
    """The chunks of one segment, each a compiled expression of a fixed length."""

    __slots__ = ("_first", "_last", "_middle")

    def __init__(self, segment: str) -> None:
        first, *rest = chunks_of(segment)
        self._first = re.compile(first, re.DOTALL)
        self._middle = [re.compile(chunk, re.DOTALL) for chunk in rest[:-1]]
        self._last = re.compile(f"{rest[-1]}\\Z", re.DOTALL) if rest else None

    def matches(self, name: str) -> bool:
        """Whether a name without slashes matches."""
        match = self._first.match(name)
        if match is None:
            return False
        at = match.end()
        if self._last is None:
            return at == len(name)
        for chunk in self._middle:
            match = chunk.search(name, at)
            if match is None:
                return False
            at = match.end()
        return self._last.search(name, at) is not None
