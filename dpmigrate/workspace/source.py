"""One file as Python text that can be written back byte for byte.

Encodings are those that Python accepts (PEP 263, BOM); newlines are never translated.
"""

# Run once for every file of a project, where pathlib is several times slower.
# ruff: noqa: PTH100, PTH118

from __future__ import annotations

import io
import os
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dpmigrate.workspace.discover import display_path
from dpmigrate.workspace.errors import NotLossless, Unreadable
from dpmigrate.workspace.magics import LINE
from dpmigrate.workspace.notebook import BrokenCell, InstallLine, Notebook, load_notebook
from dpmigrate.workspace.reading import read_bytes, reason_of

MAX_PYTHON_BYTES = 4_000_000
"""Larger Python texts are not analysed: the parser would need minutes and gigabytes."""

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Source:
    """A Python file or a notebook.

    ``path`` is POSIX, relative to the current folder; ``real`` the absolute path; ``data`` the
    bytes on disk; ``python`` the text to parse, without BOM.
    """

    path: str
    real: Path
    data: bytes = field(repr=False)
    python: str = field(repr=False)
    encoding: str = "utf-8"
    bom: bool = False
    notebook: Notebook | None = field(default=None, repr=False)

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
        return self.notebook.broken if self.notebook else ()

    def locate(self, line: int, column: int) -> tuple[int | None, int, int]:
        """(cell, line, column) as reported, for a 1-based line and a column of :attr:`python`."""
        if self.notebook is None:
            return None, line, column
        cell, line = self.notebook.locate(line)
        return cell, line, column

    def line_of(self, cell: int | None, line: int) -> int:
        """The 1-based line of :attr:`python` for a line as reported."""
        return line if self.notebook is None or cell is None else self.notebook.line_of(cell, line)

    def lines(self, cell: int | None = None) -> tuple[str, ...]:
        """The original lines of the file or of a code cell, without their ends."""
        if self.notebook is not None and cell is not None:
            return self.notebook.lines(cell)
        return tuple(line.rstrip("\r\n") for line in LINE.findall(self.python))

    def install_lines(self) -> tuple[InstallLine, ...]:
        """Commands of a notebook that install packages."""
        return self.notebook.install_lines() if self.notebook else ()

    def rebuild(self, python: str, installs: Mapping[tuple[int, int], str] | None = None) -> bytes:
        """The file's bytes after edits to :attr:`python`; the inverse of reading.

        ``installs`` maps (cell, line) of an :class:`InstallLine` to its new text. Raises
        :class:`NotLossless` when a byte that nobody edited would change.
        """
        if self.notebook is not None:
            original, edited = self.notebook.text.json_text, self.notebook.rebuild(python, installs or {})
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


def load(path: str | Path, cwd: str | Path, data: bytes | None = None) -> Source:
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
        return _notebook(shown, Path(real), data)
    return _python(shown, Path(real), data)


def from_stdin(data: bytes) -> Source:
    """The Python file read from standard input; its path is ``-``. Raises :class:`Unreadable`."""
    return _python("-", Path("-"), data)


def _python(path: str, real: Path, data: bytes) -> Source:
    if b"\0" in data:
        raise Unreadable("binary file: it holds a null byte", data.count(b"\n", 0, data.index(b"\0")) + 1)
    _check_size(len(data))
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
    return Source(path, real, data, text, encoding, bom)


def _notebook(path: str, real: Path, data: bytes) -> Source:
    bom = data.startswith(_BOM)
    try:
        text = data[len(_BOM) if bom else 0 :].decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unreadable("not a notebook: it is not UTF-8", data.count(b"\n", 0, error.start) + 1) from error
    notebook = load_notebook(text)
    _check_size(len(notebook.python))
    return Source(path, real, data, notebook.python, "utf-8", bom, notebook)


def _check_size(size: int) -> None:
    if size > MAX_PYTHON_BYTES:
        raise Unreadable(f"too large to analyse: {size / 1e6:.1f} MB of Python, the limit is 4 MB")
