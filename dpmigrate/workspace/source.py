"""One file as Python text that can be written back byte for byte.

Encodings are those that Python accepts (PEP 263, BOM); newlines are never translated.
"""

# Run once for every file of a project, where pathlib is several times slower.
# ruff: noqa: PTH100, PTH118

from __future__ import annotations

import io
import os
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dpmigrate.workspace.errors import NotLossless, Unreadable
from dpmigrate.workspace.export import Export, exported
from dpmigrate.workspace.magics import LINE
from dpmigrate.workspace.notebook import BrokenCell, InstallLine, Notebook, load_notebook
from dpmigrate.workspace.reading import read_bytes, reason_of
from dpmigrate.workspace.roots import display_path

if TYPE_CHECKING:
    from pathlib import Path

MAX_PYTHON_BYTES = 4_000_000
"""Larger Python texts are not analysed: the parser would need minutes and gigabytes."""

MAX_MARKS = 60_000
"""Operators, brackets and line ends of a text that is analysed: that takes up to 4 KB for each of them.

Ordinary code has five on a line.
"""
_MARKS_OF_A_CELL = 3
"""In the statement that stands for where a cell of a notebook begins."""
_NO_MARKS = bytes(c for c in range(256) if c not in b"()[]{}.,:;=+-*/%@&|^~<>!\"'#\\`$?\n\r")

_BOM = b"\xef\xbb\xbf"

_SIGNS_OF_INSTALLS = ("get_ipython()", "# /// script")


@dataclass(frozen=True)
class Source:
    """A Python file or a notebook.

    ``path`` is POSIX, relative to the current folder; ``data`` the bytes on disk; ``python`` the
    text to parse, without BOM.
    """

    path: str
    data: bytes = field(repr=False)
    python: str = field(repr=False)
    encoding: str = "utf-8"
    bom: bool = False
    notebook: Notebook | None = field(default=None, repr=False)
    export: Export | None = field(default=None, repr=False)
    """Set for a Python file that was exported from a notebook with its magics."""
    written: tuple[Source, ...] = field(default=(), repr=False)
    """The Python files that a notebook writes, each a source of its own with the notebook's path."""

    @property
    def label(self) -> str:
        """Which of the files that a notebook writes this is; empty for a file on disk."""
        return self.notebook.label if self.notebook else ""

    @property
    def is_notebook(self) -> bool:
        """Whether findings carry a cell."""
        return self.notebook is not None

    @property
    def is_python(self) -> bool:
        """False for a notebook of another language, which has nothing to analyse."""
        return self.notebook is None or self.notebook.text.is_python

    @property
    def broken_cells(self) -> tuple[BrokenCell, ...]:
        """Cells that are no Python; they are left out of :attr:`python`."""
        in_cells = self.notebook.broken if self.notebook else ()
        return (*in_cells, *(broken for part in self.written for broken in part.broken_cells))

    def locate(self, line: int, column: int) -> tuple[int | None, int, int]:
        """(cell, line, column) as reported, for a 1-based line and a column of :attr:`python`."""
        if self.notebook is None:
            return None, line, column
        for part in self.written:
            first = self._first_line_of(part)
            if first <= line < first + _count(part.python):
                return part.locate(line - first + 1, column)
        cell, line = self.notebook.locate(line)
        return cell, line, column + self.notebook.left_of(cell, line)

    def _first_line_of(self, part: Source) -> int:
        """Where a written file begins when all are numbered on, after the notebook's own text."""
        before = self.written[: self.written.index(part)]
        return 1 + _count(self.python) + sum(_count(other.python) for other in before)

    def parts(self) -> Iterator[tuple[Source, int]]:
        """This source and the files that it writes, with the number that the line before each has."""
        yield self, 0
        for part in self.written:
            yield part, self._first_line_of(part) - 1

    def line_of(self, cell: int | None, line: int) -> int:
        """The 1-based line of :attr:`python` for a line as reported; written files are numbered on."""
        if self.notebook is None or cell is None:
            return line
        for part in self.written:
            if part.notebook is not None and part.notebook.has(cell):
                return self._first_line_of(part) - 1 + part.notebook.line_of(cell, line)
        return self.notebook.line_of(cell, line)

    def lines(self, cell: int | None = None) -> tuple[str, ...]:
        """The original lines of the file or of a code cell, without their ends."""
        if self.notebook is not None and cell is not None:
            return self.notebook.lines(cell)
        text = self.export.text if self.export is not None else self.python
        return tuple(line.rstrip("\r\n") for line in LINE.findall(text))

    @property
    def declaring_text(self) -> str:
        """The text of a Python file that may say what to install: exported from a notebook, or with inline
        metadata (PEP 723); else empty."""
        if self.export is not None:
            return self.export.text
        declares = self.notebook is None and any(sign in self.python for sign in _SIGNS_OF_INSTALLS)
        return self.python if declares else ""

    def install_lines(self) -> tuple[InstallLine, ...]:
        """Commands of a notebook that install packages."""
        return self.notebook.install_lines() if self.notebook else ()

    def rebuild(
        self,
        python: str,
        installs: Mapping[tuple[int, int], str] | None = None,
        written: Mapping[str, str] | None = None,
    ) -> bytes:
        """The file's bytes after edits to :attr:`python`; the inverse of reading.

        ``installs`` maps (cell, line) of an :class:`InstallLine` to its new text, ``written`` the
        label of a file that a notebook writes to its new text. Raises :class:`NotLossless` when a
        byte that nobody edited would change.
        """
        if self.notebook is not None:
            return self.notebook.rebuild(python, installs or {}, written)
        if self.export is not None:
            original, edited = self.export.text, self.export.rebuild(python)
        else:
            original, edited = self.python, python
        if edited == original:
            return self.data
        if self._encoded(original) != self.data:
            raise NotLossless(f"its encoding {self.encoding} does not give back the same bytes")
        return self._encoded(edited)

    def _encoded(self, text: str) -> bytes:
        try:
            return (_BOM if self.bom else b"") + text.encode(self.encoding)
        except UnicodeError as error:
            raise NotLossless(f"the new text does not fit its encoding {self.encoding}") from error


def load_source(path: str | Path, cwd: str | Path, data: bytes | None = None) -> Source:
    """Read a .py or .ipynb file (``data``: its bytes, when already read).

    Raises :class:`Unreadable` with the reason: no permission, a folder, binary, too large, an
    unknown or wrong encoding, not a notebook.
    """
    real = os.path.abspath(os.path.join(cwd, path))
    if data is None:
        try:
            data = read_bytes(real)
        except OSError as error:
            raise Unreadable(reason_of(error)) from error
    shown = display_path(real, os.path.realpath(cwd))
    if real.endswith(".ipynb"):
        return _notebook(shown, data)
    return _python(shown, data)


def from_stdin(data: bytes) -> Source:
    """The Python file read from standard input; its path is ``-``. Raises :class:`Unreadable`."""
    return _python("-", data)


def _python(path: str, data: bytes) -> Source:
    if b"\0" in data:
        raise Unreadable("binary file: it holds a null byte", data.count(b"\n", 0, data.index(b"\0")) + 1)
    _check_size(data)
    bom = data.startswith(_BOM)
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    except SyntaxError as error:
        raise Unreadable(f"encoding: {error.msg}") from error
    encoding = "utf-8" if encoding == "utf-8-sig" else encoding
    try:
        text = data[len(_BOM) if bom else 0 :].decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Unreadable(f"encoding: not valid {encoding}", line) from error
    except (LookupError, ValueError) as error:
        raise Unreadable(f"encoding: {encoding} is no text encoding") from error
    if "\0" in text:
        raise Unreadable("binary file: it holds a null character")
    export = exported(text)
    return Source(path, data, export.python if export else text, encoding, bom, export=export)


def _notebook(path: str, data: bytes) -> Source:
    bom = data.startswith(_BOM)
    notebook = load_notebook(data)
    for part in (notebook, *notebook.written):
        _check_size(part.python.encode("utf-8", "surrogatepass"), len(part.cells) * _MARKS_OF_A_CELL)
    written = [Source(path, data, part.python, "utf-8", bom, part) for part in notebook.written]
    return Source(path, data, notebook.python, "utf-8", bom, notebook, written=tuple(written))


def _count(python: str) -> int:
    return len(LINE.findall(python))


def is_too_large(text: bytes) -> bool:
    """Whether Python text is more than is analysed."""
    return len(text) > MAX_PYTHON_BYTES or len(text.translate(None, _NO_MARKS)) > MAX_MARKS


def _check_size(text: bytes, ours: int = 0) -> None:
    """Raise :class:`Unreadable` for too large a text; so many of its marks are not the file's."""
    if len(text) > MAX_PYTHON_BYTES:
        raise Unreadable(f"too large to analyse: {len(text) / 1e6:.1f} MB of Python, the limit is 4 MB")
    marks = len(text.translate(None, _NO_MARKS)) - ours
    if marks > MAX_MARKS:
        raise Unreadable(
            f"too large to analyse: {marks:,} operators, brackets and lines, the limit is {MAX_MARKS:,}"
        )
