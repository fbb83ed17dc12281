"""Where the code cells stand in the JSON text of a notebook, and how to write one anew.

The bytes are scanned by position, with the decoder of the standard library for everything that is
only skipped, so that an edit replaces the ``source`` value of the cells that changed and no
other byte of the file. They are scanned as Latin-1, which has a character for every byte: outputs can be
most of the file, and as text one emoji would make each of their characters four bytes.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dpmigrate.workspace.errors import NotLossless, Unreadable

_SPACE = re.compile(r"[ \t\r\n]*")
_LINES = re.compile(r"[^\n]*\n|[^\n]+")
_DECODER = json.JSONDecoder(strict=False)
_BOM = codecs.BOM_UTF8
_PART = 1 << 20
_ESCAPE = re.compile(rb"\\u(?!00[01])")
_BACKSLASH = ord("\\")


@dataclass(frozen=True, slots=True)
class CodeCell:
    """A code cell: its index among all cells, its text, and the span of its ``source`` value in bytes.

    ``is_foreign`` where the cell names another language than the kernel: editors guess at it, and the
    kernel runs the cell as Python all the same.
    """

    index: int
    text: str
    start: int
    end: int
    is_foreign: bool = False


@dataclass(frozen=True)
class NotebookText:
    """The bytes of a notebook and its code cells, in order.

    ``is_python`` is False where the kernel's language is another one; there are no cells then.
    """

    data: bytes
    cells: tuple[CodeCell, ...]
    is_python: bool = True

    def cell(self, index: int) -> CodeCell | None:
        """The code cell with this index among all cells."""
        return self._by_index.get(index)

    @cached_property
    def _by_index(self) -> dict[int, CodeCell]:
        return {cell.index: cell for cell in self.cells}

    @cached_property
    def _lines_before(self) -> dict[int, int]:
        """For each code cell, by its index, the line ends before its ``source`` value."""
        lines: dict[int, int] = {}
        line = position = 0
        for cell in self.cells:
            line += self.data.count(b"\n", position, cell.start)
            lines[cell.index], position = line, cell.start
        return lines

    @cached_property
    def _escapes(self) -> bool:
        """Whether what is not ASCII is escaped in the file as a whole."""
        return _escapes(self.data) is True

    def file_lines(self, index: int) -> tuple[int, ...]:
        """The 1-based line of the file for every line of the cell with this index; none without it."""
        cell = self.cell(index)
        if cell is None:
            return ()
        raw = self.data[cell.start : cell.end].decode("utf-8")
        spans = _elements(raw, 0) if raw.startswith("[") else [(0, len(raw))]
        lines: list[int] = []
        begun = False
        for start, _ in spans:
            at = self._lines_before[index] + raw.count("\n", 0, start) + 1
            for part in _LINES.findall(_DECODER.raw_decode(raw, start)[0]):
                if not begun:
                    lines.append(at)
                begun = not part.endswith("\n")
        return tuple(lines)

    def replaced(self, texts: dict[int, str]) -> bytes:
        """The bytes with the cells of the given indices set to new texts.

        Raises :class:`NotLossless` for text that is no Unicode.
        """
        whole = memoryview(self.data)
        parts: list[bytes | memoryview] = []
        position = 0
        for cell in self.cells:
            if cell.index in texts and texts[cell.index] != cell.text:
                try:
                    new = self._source(cell, texts[cell.index]).encode("utf-8")
                except UnicodeEncodeError as error:
                    raise NotLossless("the new text does not fit its encoding utf-8") from error
                parts += [whole[position : cell.start], new]
                position = cell.end
        return b"".join([*parts, whole[position:]])

    def _source(self, cell: CodeCell, text: str) -> str:
        escapes = _escapes(self.data[cell.start : cell.end])
        raw = self.data[cell.start : cell.end].decode("utf-8")
        ascii_only = escapes if escapes is not None else text.isascii() or self._escapes
        if not raw.startswith("["):
            return json.dumps(text, ensure_ascii=ascii_only)
        spans = list(_elements(raw, 0))
        spelling = {_DECODER.raw_decode(raw, a)[0]: raw[a:b] for a, b in spans}
        lines = _LINES.findall(text)
        if not lines:
            return "[]"
        written = [spelling.get(line) or json.dumps(line, ensure_ascii=ascii_only) for line in lines]
        if not spans:
            return "[" + ", ".join(written) + "]"
        lead, tail = raw[1 : spans[0][0]], raw[spans[-1][1] : -1]
        between = raw[spans[0][1] : spans[1][0]] if len(spans) > 1 else "," + (lead or " ")
        return "[" + lead + between.join(written) + tail + "]"


def read_notebook(data: bytes) -> NotebookText:
    """Find the code cells. Raises :class:`Unreadable` for what is not a notebook of format 4, in UTF-8."""
    _check_utf8(data)
    try:
        return _read(data)
    except json.JSONDecodeError as error:
        raise Unreadable(f"not a notebook: invalid JSON ({error.msg})", error.lineno) from error
    except (IndexError, RecursionError, ValueError) as error:
        raise Unreadable("not a notebook: invalid JSON", data.count(b"\n") + 1) from error


def _check_utf8(data: bytes) -> None:
    """Raise :class:`Unreadable` for what is no UTF-8; no more than a part of it is held as text."""
    if data.isascii():
        return
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(data), _PART):
            decoder.decode(data[start : start + _PART], final=start + _PART >= len(data))
    except UnicodeDecodeError:
        place = _first_that_is_no_utf8(data)
        raise Unreadable("not a notebook: it is not UTF-8", data.count(b"\n", 0, place) + 1) from None


def _first_that_is_no_utf8(data: bytes) -> int:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start
    return len(data)


def _read(data: bytes) -> NotebookText:
    text = data.decode("latin-1")
    first = len(_BOM) if data.startswith(_BOM) else 0
    start = _skip(text, first)
    if start == len(text):
        raise Unreadable("not a notebook: the file is empty")
    if text[start] != "{":
        _DECODER.decode(text[first:])
        raise Unreadable("not a notebook: the JSON is not an object")
    top: dict[str, tuple[int, int]] = {}
    end = start
    for key, span in _members(text, start):
        top[key] = span
        end = span[1]
    end = _skip(text, _closed(text, start, end))
    if end != len(text):
        raise json.JSONDecodeError("Extra data", text, end)
    if "cells" not in top:
        if "worksheets" in top:
            raise Unreadable(
                "notebook format 3 is not read; convert it with `jupyter nbconvert --to notebook`"
            )
        raise Unreadable("not a notebook: it has no cells")
    kernel = _language(_value(text, top.get("metadata")))
    if not _is_python(kernel):
        return NotebookText(data, (), is_python=False)
    if text[top["cells"][0]] != "[":
        raise Unreadable("not a notebook: its cells are not a list")
    cells = []
    for index, (first, _) in enumerate(_elements(text, top["cells"][0])):
        if text[first] != "{":
            continue
        members = dict(_members(text, first))
        if _value(text, members.get("cell_type")) != "code" or "source" not in members:
            continue
        is_foreign = not _is_python(_language(_value(text, members.get("metadata"))))
        if is_foreign and not kernel:
            continue
        span = members["source"]
        source = _value(data[slice(*span)].decode("utf-8"), (0, 0))
        if isinstance(source, list) and all(isinstance(line, str) for line in source):
            source = "".join(source)
        if isinstance(source, str):
            cells.append(CodeCell(index, source, *span, is_foreign))
    return NotebookText(data, tuple(cells))


def _language(metadata: Any) -> str:
    """The language that the metadata of a notebook or a cell names; empty where it names none."""
    if not isinstance(metadata, dict):
        return ""
    for group, key in (("kernelspec", "language"), ("language_info", "name"), ("vscode", "languageId")):
        inner = metadata.get(group)
        language = inner.get(key) if isinstance(inner, dict) else None
        if isinstance(language, str) and language:
            return language
    return ""


def _is_python(language: str) -> bool:
    return not language or "python" in language.lower()


def _value(text: str, span: tuple[int, int] | None) -> Any:
    return None if span is None else _DECODER.raw_decode(text, span[0])[0]


def _skip(text: str, position: int) -> int:
    space = _SPACE.match(text, position)
    return space.end() if space else position


def _members(text: str, start: int) -> Iterator[tuple[str, tuple[int, int]]]:
    """(key, span of the value) of the object that starts at ``start``."""
    position = _skip(text, start + 1)
    while text[position] != "}":
        if text[position] != '"':
            raise json.JSONDecodeError("Expecting property name enclosed in double quotes", text, position)
        key, position = _DECODER.raw_decode(text, position)
        position = _skip(text, position)
        if text[position] != ":":
            raise json.JSONDecodeError("Expecting ':' delimiter", text, position)
        first = _skip(text, position + 1)
        last = _end(text, first)
        yield key, (first, last)
        position = _next(text, last, "}")


def _closed(text: str, start: int, last: int) -> int:
    """The position after an object or array, by where its last value ends; it starts at ``start``."""
    return _skip(text, start + 1 if last == start else last) + 1


def _end(text: str, start: int) -> int:
    """The position after a value; of an array, which may hold all outputs, one element is read at a time."""
    if text[start : start + 1] != "[":
        return _DECODER.raw_decode(text, start)[1]
    last = start
    for span in _elements(text, start):
        last = span[1]
    return _closed(text, start, last)


def _elements(text: str, start: int) -> Iterator[tuple[int, int]]:
    """Spans of the elements of the array that starts at ``start``."""
    position = _skip(text, start + 1)
    while text[position] != "]":
        last = _DECODER.raw_decode(text, position)[1]
        yield position, last
        position = _next(text, last, "]")


def _next(text: str, position: int, closing: str) -> int:
    """Over the comma after an element, or to the closing bracket."""
    position = _skip(text, position)
    if text[position] == closing:
        return position
    if text[position] != ",":
        raise json.JSONDecodeError("Expecting ',' delimiter", text, position)
    position = _skip(text, position + 1)
    if text[position] == closing:
        raise json.JSONDecodeError("Illegal trailing comma before end", text, position)
    return position


def _escapes(data: bytes) -> bool | None:
    """Whether some JSON escapes what is not ASCII; None where it has nothing to tell it by."""
    if not data.isascii():
        return False
    for escape in _ESCAPE.finditer(data):
        first = escape.start()
        while first and data[first - 1] == _BACKSLASH:
            first -= 1
        if (escape.start() - first) % 2 == 0:  # those before it escape one another
            return True
    return None
