"""Columns of a terminal: how wide text is, how it is wrapped, how it is made harmless."""

from __future__ import annotations

import re
import unicodedata

TAB = 4
"""Columns that a tab moves on to the next multiple of, in code frames."""


_DRIVING = (
    "\x00-\x08\x0a-\x1f\x7f-\x9f"  # controls (a tab does no harm)
    "\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # unseen marks
    "\u034f\u115f\u1160\u180e\u3164\uffa0"  # letters and joiners that look like nothing
    "\ud800-\udfff\U000e0000-\U000e007f"
)
_UNCLEAN = re.compile(f"[{_DRIVING}]")
_UNCLEAN_IN_LINES = re.compile(rf"(?!\n|\r\n|\x1b\[[0-9;]{{1,4}}m)[{_DRIVING}]")
# What a line begins with that GitHub's runner obeys, and what it (anywhere in a line) and Azure's do.
_COMMAND = re.compile(r"(^\s*(?=::\w)|#(?=#(?:\[|vso\[)))([:#])")


def clean(text: str) -> str:
    """`text` on one line, with all that drives a terminal or hides in a line made visible.

    Controls, line ends, bidirectional marks, what has no width, and bytes that are no UTF-8; likewise the
    beginning of a command to a CI server, which reads its jobs' output (``::add-mask::``, ``##[error]``).
    """
    text = _UNCLEAN.sub(lambda match: _visible(match[0]), text)
    return _COMMAND.sub(lambda match: f"{match[1]}{_escaped(match[2])}", text)


def clean_lines(text: str) -> str:
    """The same of text of many lines, which keeps its line ends and the colours of `Style`.

    The last look at all that is written: a name or a line of code is made harmless where it is put into it.
    """
    return _UNCLEAN_IN_LINES.sub(lambda match: _visible(match[0]), text)


def cell_width(ch: str) -> int:
    """Columns that one character takes: 0 for combining marks, 2 for wide ones."""
    if ch < "\x7f":
        return 1
    if unicodedata.combining(ch) or unicodedata.category(ch) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(ch) in "WF" else 1


def width_of(text: str) -> int:
    """Columns that `text` takes (no tabs or control characters in it)."""
    return sum(cell_width(ch) for ch in text)


def expand(line: str) -> tuple[str, list[int]]:
    """`line` as it is shown, and the column (from 0) at which each of its characters begins.

    Tabs become spaces, control characters become visible; the list has one more entry, the width.
    """
    shown: list[str] = []
    begins: list[int] = []
    column = 0
    for ch in line:
        begins.append(column)
        if ch == "\t":
            piece = " " * (TAB - column % TAB)
        elif ch == "[" and shown[-2:] == ["#", "#"]:
            piece = _escaped(ch)
        else:
            piece = _visible(ch)
        shown.append(piece)
        column += width_of(piece)
    begins.append(column)
    return "".join(shown), begins


def window(text: str, start: int, columns: int) -> tuple[str, int]:
    """At most `columns` columns of `text` around column `start`, and how far it was shifted left.

    What is left out on either side is marked by an ellipsis.
    """
    if width_of(text) <= columns:
        return text, 0
    skip = 0 if start < columns * 2 // 3 else start - columns // 3
    piece: list[str] = []
    column = 0
    used = 0
    shift = 0
    for ch in text:
        wide = cell_width(ch)
        if column >= skip:
            if not piece and skip:
                piece.append("…")
                used, shift = 1, column - 1
            if used + wide > columns - 1:
                piece.append("…")
                break
            piece.append(ch)
            used += wide
        column += wide
    return "".join(piece), shift


def wrap(text: str, width: int | None, first: str = "", rest: str | None = None) -> str:
    """`text` after `first`, wrapped at `width` with `rest` before each further line; None: one line."""
    indent = first if rest is None else rest
    if width is None:
        return first + text
    import textwrap

    return (
        "\n".join(
            textwrap.wrap(
                text,
                width=max(width, len(indent) + 20),
                initial_indent=first,
                subsequent_indent=indent,
                break_long_words=False,
                break_on_hyphens=False,
            )
        )
        or first
    )


def plural(number: int, noun: str, several: str = "") -> str:
    """``1 file``, ``2 files``; `several` where an s does not do (``2 fixes``)."""
    return f"{number:,} {noun if number == 1 else several or noun + 's'}"


def _visible(ch: str) -> str:
    """A character as it may be printed: as a symbol or an escape where it is not to be."""
    code = ord(ch)
    if code < 0x20 and ch != "\t":
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    return _escaped(ch) if _UNCLEAN.match(ch) else ch


def _escaped(ch: str) -> str:
    code = ord(ch)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
