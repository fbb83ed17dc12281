"""Code frames: the lines around a fault, with carets under it."""

from __future__ import annotations

from collections.abc import Mapping

from dpmigrate.model import Span
from dpmigrate.report.layout import expand, window
from dpmigrate.report.style import Style

Lines = Mapping[tuple[str, "int | None"], tuple[str, ...]]
"""Source lines by path and cell, as `dpmigrate.model.ScanResult.lines` has them."""

BEFORE = 2
"""Lines shown above the fault."""
MOST = 4
"""Lines of the fault itself that are shown; a longer one is cut."""
LONGEST = 400
"""Columns of a line that are shown where no terminal says how many there are."""


def frame(span: Span, lines: Lines, style: Style, paint: str) -> list[str]:
    """The frame of `span`, one string a line; nothing when its lines are not known."""
    shown = frame_lines(span, lines)
    if not shown:
        return []
    source = lines[span.path, span.cell]
    first, last = shown.start, shown.stop - 1
    digits = len(str(last))
    gutter = " " * digits
    out = [style.paint(f" {gutter} |", "blue")]
    for number in range(first, last + 1):
        text, begins = expand(source[number - 1].rstrip("\r\n"))
        marks = _marks(span, number, text, begins) if number >= span.line else None
        room = LONGEST if style.width is None else max(20, style.width - digits - 4)
        text, shift = window(text, marks[0] if marks else 0, room)
        out.append((style.paint(f" {number:>{digits}} |", "blue") + (f" {text}" if text else "")).rstrip())
        if marks is not None:
            start, stop = marks[0] - shift, min(marks[1] - shift, room)
            carets = "^" * max(1, stop - start)
            out.append(style.paint(f" {gutter} |", "blue") + " " * (start + 1) + style.paint(carets, paint))
    if span.end_line > last and last < len(source):
        out.append(style.paint(f" {gutter} | ...", "blue"))
    return out


def frame_lines(span: Span, lines: Lines) -> range:
    """The numbers of the lines that the frame of `span` shows; empty when they are not known."""
    source = lines.get((span.path, span.cell), ())
    if not 1 <= span.line <= len(source):
        return range(0)
    first = max(1, span.line - BEFORE)
    while first < span.line and not source[first - 1].strip():
        first += 1
    return range(first, max(span.line, min(span.end_line, len(source), span.line + MOST - 1)) + 1)


def source_line(path: str, cell: int | None, line: int, lines: Lines) -> str | None:
    """The text of one line without its indentation, or None when it is not known."""
    source = lines.get((path, cell), ())
    if not 1 <= line <= len(source):
        return None
    return window(expand(source[line - 1].strip())[0], 0, LONGEST)[0]


def _marks(span: Span, number: int, text: str, begins: list[int]) -> tuple[int, int] | None:
    """Columns (from 0, end exclusive) of the carets under line `number`.

    A fault over several lines is underlined on its first line only: the rest follows from it.
    """
    if number != span.line:
        return None
    size = len(begins) - 1
    start = begins[min(max(span.column - 1, 0), size)]
    if span.end_line > span.line:
        return start, max(start + 1, begins[size])
    stop = begins[min(max(span.end_column - 1, 0), size)]
    return start, max(start + 1, stop)
