"""Where the code cells stand in the JSON text of a notebook, and how to write one anew.

The text is scanned by position, with the decoder of the standard library for everything that is
only skipped, so that an edit replaces the ``source`` value of the cells that changed and no
other character of the file.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dpmigrate.workspace.errors import Unreadable

_SPACE = re.compile(r"[ \t\r\n]*")
_LINES = re.compile(r"[^\n]*\n|[^\n]+")
_DECODER = json.JSONDecoder(strict=False)


@dataclass(frozen=True, slots=True)
class CodeCell:
    """A code cell: its index among all cells, its text, and the span of its ``source`` value.

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
    """The JSON text of a notebook and its code cells, in order.

    ``is_python`` is False where the kernel's language is another one; there are no cells then.
    """

    json_text: str
    cells: tuple[CodeCell, ...]
    is_python: bool = True

    def cell(self, index: int) -> CodeCell | None:
        """The code cell with this index among all cells."""
        return self._by_index.get(index)

    @cached_property
    def _by_index(self) -> dict[int, CodeCell]:
        return {cell.index: cell for cell in self.cells}

    @cached_property
    def _line_ends(self) -> list[int]:
        """Where the line ends stand in the JSON text."""
        return [match.start() for match in re.finditer("\n", self.json_text)]

    @cached_property
    def _escapes(self) -> bool:
        """Whether what is not ASCII is escaped in the file as a whole."""
        return _escapes(self.json_text) is True

    def file_lines(self, index: int) -> tuple[int, ...]:
        """The 1-based line of the file for every line of the cell with this index; none without it."""
        cell = self.cell(index)
        if cell is None:
            return ()
        spans = [(cell.start, cell.end)]
        if self.json_text[cell.start] == "[":
            spans = list(_elements(self.json_text, cell.start))
        lines: list[int] = []
        begun = False
        for start, _ in spans:
            at = bisect_left(self._line_ends, start) + 1
            for part in _LINES.findall(_DECODER.raw_decode(self.json_text, start)[0]):
                if not begun:
                    lines.append(at)
                begun = not part.endswith("\n")
        return tuple(lines)

    def replaced(self, texts: dict[int, str]) -> str:
        """The JSON text with the cells of the given indices set to new texts."""
        parts: list[str] = []
        position = 0
        for cell in self.cells:
            if cell.index in texts and texts[cell.index] != cell.text:
                parts += [self.json_text[position : cell.start], self._source(cell, texts[cell.index])]
                position = cell.end
        return "".join([*parts, self.json_text[position:]])

    def _source(self, cell: CodeCell, text: str) -> str:
        raw = self.json_text[cell.start : cell.end]
        escapes = _escapes(raw)
        ascii_only = self._escapes if escapes is None else escapes
        if not raw.startswith("["):
            return json.dumps(text, ensure_ascii=ascii_only)
        spans = list(_elements(self.json_text, cell.start))
        spelling = {_DECODER.raw_decode(self.json_text, a)[0]: self.json_text[a:b] for a, b in spans}
        lines = _LINES.findall(text)
        if not lines:
            return "[]"
        written = [spelling.get(line) or json.dumps(line, ensure_ascii=ascii_only) for line in lines]
        if not spans:
            return "[" + ", ".join(written) + "]"
        lead = self.json_text[cell.start + 1 : spans[0][0]]
        tail = self.json_text[spans[-1][1] : cell.end - 1]
        between = self.json_text[spans[0][1] : spans[1][0]] if len(spans) > 1 else "," + (lead or " ")
        return "[" + lead + between.join(written) + tail + "]"


def read_notebook(json_text: str) -> NotebookText:
    """Find the code cells. Raises :class:`Unreadable` for what is not a notebook of format 4."""
    if not json_text.strip():
        raise Unreadable("not a notebook: the file is empty")
    try:
        return _read(json_text)
    except json.JSONDecodeError as error:
        raise Unreadable(f"not a notebook: invalid JSON ({error.msg})", error.lineno) from error
    except StopIteration as error:
        line = json_text.count("\n", 0, int(error.value or 0)) + 1
        raise Unreadable("not a notebook: invalid JSON", line) from error
    except (IndexError, RecursionError, ValueError) as error:
        raise Unreadable("not a notebook: invalid JSON", json_text.count("\n") + 1) from error


def _read(text: str) -> NotebookText:
    start = _skip(text, 0)
    if text[start] != "{":
        _DECODER.decode(text)
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
        return NotebookText(text, (), is_python=False)
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
        source = _value(text, span)
        if isinstance(source, list) and all(isinstance(line, str) for line in source):
            source = "".join(source)
        if isinstance(source, str):
            cells.append(CodeCell(index, source, *span, is_foreign))
    return NotebookText(text, tuple(cells))


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
    """The position behind an object or array, by where its last value ends; it starts at ``start``."""
    return _skip(text, start + 1 if last == start else last) + 1


def _end(text: str, start: int) -> int:
    """The position behind a value; of an array, which may hold all outputs, one element is read at a time."""
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


def _escapes(text: str) -> bool | None:
    """Whether some JSON escapes what is not ASCII; None where it has nothing to tell it by."""
    if not text.isascii():
        return False
    return True if re.search(r"(?<!\\)(?:\\\\)*\\u(?!00[01])", text) else None
