"""``# dpmigrate: ignore`` comments: what they suppress, and which of them suppress nothing, and why.

``# dpmigrate: ignore[DPM101,DPM2]`` silences rules by id, prefix or name at its line, the bare
form every rule; ``# dpmigrate: ignore-file`` (with or without rules) does so for the file. A
comment counts for a finding when it stands on the first or last line of the finding's span, or
at the end of the logical line that one of them belongs to. Rules without brackets, words that are
almost ``ignore``, and the comments of other tools (``# noqa: DPM101``) suppress nothing.
"""

from __future__ import annotations

import io
import re
import tokenize
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Literal

from dpmigrate.workspace.source import Source

_COMMENT = re.compile(
    r"#\s*dpmigrate:\s*(?P<word>[\w-]+)(?:\s*\[(?P<rules>[^\]\r\n]*)\]|(?P<after>[^#\r\n]*))", re.IGNORECASE
)
_MEANT = re.compile(r"ignor|disabl|suppress|skip|noqa|allow")
"""How words begin that stand where ``ignore`` should."""
_OTHERWISE = re.compile(
    r"#\s*(?:[\w-]+\s*:?\s*)?(?:ignore(?:-file)?|disable|suppress|skip|noqa|nosec|allow)\b[\s:=(\[]*"
    r"(?:[A-Z]+\d+[,\s]+)*(?P<rules>DPM\d+(?:[,\s]+DPM\d+)*)[)\]]?",
    re.IGNORECASE,
)
"""How rules of ours are silenced where another tool is meant, or the name of this one is not right."""
_TELLING = re.compile(rb"dpmigrate:|\bDPM\d", re.IGNORECASE)
_ID = re.compile(r"DPM\d*", re.IGNORECASE)
_LAYOUT = frozenset({tokenize.NL, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING})


Fault = Literal["no brackets", "not understood"]
"""What is wrong with the form of a comment: such a one suppresses nothing."""


@dataclass(frozen=True, slots=True)
class UnusedIgnore:
    """An ignore comment, or some of its rules, that suppressed nothing (DPM001).

    ``line``, ``column`` and ``end_column`` are 1-based, end exclusive, in the text that was
    searched. ``rules`` are the rules that matched nothing, empty for a bare comment.
    """

    line: int
    column: int
    end_column: int
    rules: tuple[str, ...]
    fault: Fault | None = None
    alone: bool = False
    """Whether it stands on a line of its own."""


@dataclass(slots=True)
class _Ignore:
    line: int
    column: int
    end_column: int
    whole_file: bool
    rules: tuple[str, ...] | None
    fault: Fault | None = None
    alone: bool = False
    used: set[str] = field(default_factory=set)

    def covers(self, rule: str, name: str) -> bool:
        """Whether this comment speaks of the rule; notes that it was needed."""
        if self.fault is not None:
            return False
        if self.rules is None:
            self.used.add("")
            return True
        spoken = [given for given in self.rules if names_rule(given, rule, name)]
        self.used.update(spoken)
        return bool(spoken)


class Suppressions:
    """The ignore comments of one file; lines are those of the text that was searched."""

    def __init__(self, ignores: Iterable[_Ignore], logical: Iterable[tuple[int, int]] = ()) -> None:
        self._by_line: dict[int, list[_Ignore]] = {}
        self._whole_file: list[_Ignore] = []
        for ignore in ignores:
            if ignore.whole_file:
                self._whole_file.append(ignore)
            else:
                self._by_line.setdefault(ignore.line, []).append(ignore)
        self._logical = sorted(logical)
        self._starts = [start for start, _ in self._logical]

    def match(self, rule: str, name: str, start_line: int, end_line: int | None = None) -> bool:
        """Whether a finding of ``rule`` over these lines is suppressed; marks the comment as used."""
        lines = {start_line, end_line or start_line}
        lines |= {self._logical_end(line) for line in lines}
        speaking = [ignore for line in sorted(lines) for ignore in self._by_line.get(line, ())]
        covered = [ignore.covers(rule, name) for ignore in (*speaking, *self._whole_file)]
        return any(covered)

    def unused(self) -> list[UnusedIgnore]:
        """Every comment, or part of one, that no :meth:`match` needed so far, in order."""
        idle_comments = []
        for ignore in (*self._whole_file, *(i for ignores in self._by_line.values() for i in ignores)):
            if ignore.rules is None:
                left: tuple[str, ...] = ()
                idle = not ignore.used
            else:
                left = tuple(given for given in ignore.rules if given not in ignore.used)
                idle = bool(left) or not ignore.rules
            if idle:
                alone = ignore.alone and not ignore.whole_file
                idle_comments.append(
                    UnusedIgnore(ignore.line, ignore.column, ignore.end_column, left, ignore.fault, alone)
                )
        return sorted(idle_comments, key=lambda u: (u.line, u.column))

    def used_lines(self) -> frozenset[int]:
        """The lines of the comments that some :meth:`match` needed so far."""
        everything = (*self._whole_file, *(i for ignores in self._by_line.values() for i in ignores))
        return frozenset(ignore.line for ignore in everything if ignore.used)

    def _logical_end(self, line: int) -> int:
        place = bisect_right(self._starts, line) - 1
        if place >= 0 and line <= self._logical[place][1]:
            return self._logical[place][1]
        return line


def names_rule(given: str, rule: str, name: str) -> bool:
    """Whether ``given`` (an id, a prefix of ids, or a name) speaks of the rule."""
    if _ID.fullmatch(given):
        return rule.upper().startswith(given.upper())
    return given.lower() == name.lower()


def is_id(word: str) -> bool:
    """Whether a word is an id, or a prefix of ids with a digit."""
    return word.upper() != "DPM" and _ID.fullmatch(word) is not None


def may_hold(data: bytes) -> bool:
    """Whether a file's bytes may hold such a comment, or one that was meant as one."""
    # Most files have no such letters at all, which is seen much faster than what they are part of.
    return b"dpm" in data.lower() and _TELLING.search(data) is not None


def may_be_in(source: Source) -> bool:
    """Whether a file may hold one, or a notebook's code may, whatever its outputs hold."""
    if source.notebook is None:
        return may_hold(source.data)
    return any(may_hold(cell.text.encode("utf-8", "surrogatepass")) for cell in source.notebook.text.cells)


def in_python(source: Source, is_rule: Callable[[str], bool] = is_id) -> Suppressions:
    """The ignore comments of a Python file or notebook, in lines of ``source.python``.

    ``is_rule`` says of a word whether it stands for rules.

    Comments are told from strings by the tokenizer. In a notebook a comment on a line that
    IPython runs (``!pip install x  # dpmigrate: ignore``) counts as well. The files that a notebook
    writes are numbered on after its own text, as :meth:`Source.line_of` does.
    """
    ignores: list[_Ignore] = []
    logical: list[tuple[int, int]] = []
    for part, before in source.parts():
        if may_hold(part.python.encode("utf-8", "surrogatepass")):
            start = 0
            for token in _tokens(part.python):
                line = before + token.start[0]
                if token.type == tokenize.COMMENT:
                    alone = not token.line[: token.start[1]].strip()
                    ignores += _read(token.string, line, token.start[1], alone, is_rule)
                elif token.type == tokenize.NEWLINE:
                    logical.append((start or line, line))
                    start = 0
                elif not start and token.type not in _LAYOUT:
                    start = line
        if part.notebook is not None:
            for cell, line, text in part.notebook.magic_lines():
                alone = text.lstrip().startswith("#")
                ignores += _read(text, source.line_of(cell, line), 0, alone, is_rule)
    return Suppressions(ignores, logical)


def in_lines(lines: Iterable[str], is_rule: Callable[[str], bool] = is_id) -> Suppressions:
    """The ignore comments of a dependency file: every comment of the form, line by line."""
    return Suppressions(
        ignore
        for number, line in enumerate(lines, 1)
        for ignore in _read(line, number, 0, line.lstrip().startswith("#"), is_rule)
    )


def _read(
    text: str, line: int, offset: int, alone: bool, is_rule: Callable[[str], bool]
) -> Iterator[_Ignore]:
    read: set[int] = set()
    for match in _COMMENT.finditer(text):
        read.add(match.start())
        word, given = match["word"].lower(), match["rules"]
        rules = None if given is None else tuple(r.strip() for r in given.split(",") if r.strip())
        named = _named(match["after"], is_rule) if given is None else ()
        fault: Fault | None = None
        end = match.end() if given is not None else match.end("word")
        if word not in ("ignore", "ignore-file"):
            if not rules and not _is_meant(word):
                continue
            fault, rules = "not understood", rules or named
        elif rules == ():
            fault = "not understood"
        elif named:
            fault, rules = "no brackets", named
        if named:
            end = match.end("after") - len(match["after"]) + len(match["after"].rstrip())
        first, last = offset + match.start() + 1, offset + end + 1
        yield _Ignore(line, first, last, word == "ignore-file", rules, fault, alone)
    for match in _OTHERWISE.finditer(text):
        if match.start() not in read:
            rules = tuple(re.split(r"[,\s]+", match["rules"]))
            first, last = offset + match.start() + 1, offset + match.end() + 1
            yield _Ignore(line, first, last, False, rules, "not understood", alone)


def _is_meant(word: str) -> bool:
    """Whether a word that is not ``ignore`` was meant as it."""
    from difflib import get_close_matches

    return _MEANT.match(word) is not None or bool(get_close_matches(word, ("ignore", "ignore-file"), 1, 0.7))


def _named(after: str, is_rule: Callable[[str], bool]) -> tuple[str, ...]:
    """The rules that the text after a comment without brackets begins with."""
    words = after.replace(",", " ").replace(":", " ").replace("=", " ").split()
    return tuple(takewhile(is_rule, (word.strip("()[]") for word in words)))


def _tokens(text: str) -> Iterator[tokenize.TokenInfo]:
    """Tokens up to the first place that the tokenizer does not understand."""
    try:
        yield from tokenize.generate_tokens(io.StringIO(text, newline="").readline)
    except (tokenize.TokenError, SyntaxError):
        return
