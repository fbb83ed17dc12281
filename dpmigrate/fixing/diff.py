"""Unified diffs of files, and of notebooks cell by cell, as people read them."""

from __future__ import annotations

import difflib
import re

from dpmigrate.versions.decoding import decode
from dpmigrate.workspace.source import Source, load_source

_BREAKING = re.compile(r'[\x00-\x1f\x7f"]')


def diff_of(path: str, old: bytes | None, new: bytes) -> str:
    """The unified diff between two contents of a file at a POSIX path; ``old`` is None for a new file."""
    if old is None:
        return _lines(path, "", _text(path, new), new=True)
    if path.endswith(".ipynb"):
        return _notebook(path, load_source(path, "/", old), load_source(path, "/", new))
    return _lines(path, _text(path, old), _text(path, new))


def _text(path: str, data: bytes) -> str:
    if path.endswith(".py"):
        return load_source(path, "/", data).python
    return decode(data).text


def _notebook(path: str, old: Source, new: Source) -> str:
    assert old.notebook is not None and new.notebook is not None
    parts = []
    for cell in old.notebook.text.cells:
        before, after = old.lines(cell.index), new.lines(cell.index)
        if before != after:
            label = f"{path} (cell {cell.index + 1})"
            parts.append(_lines(label, "\n".join(before), "\n".join(after), whole=True))
    return "".join(parts)


def _lines(path: str, before: str, after: str, whole: bool = False, new: bool = False) -> str:
    """A diff; a last line without an end is told as diff and git tell it, except of a cell."""
    origin = "/dev/null" if new else _quoted(f"a/{path}")
    lines = difflib.unified_diff(_split(before), _split(after), origin, _quoted(f"b/{path}"))
    return "".join(_ended(line, whole) for line in lines)


def _quoted(path: str) -> str:
    """A name as git's diffs have it: in quotes, with escapes, where it would break the line."""
    if not _BREAKING.search(path):
        return path
    escaped = _BREAKING.sub(lambda found: f"\\{ord(found[0]):03o}", path.replace("\\", "\\\\"))
    return f'"{escaped}"'


def _split(text: str) -> list[str]:
    lines = text.split("\n")
    ended = [line + "\n" for line in lines[:-1]]
    return [*ended, lines[-1]] if lines[-1] else ended


def _ended(line: str, whole: bool) -> str:
    if line.endswith("\n"):
        return line
    return line + ("\n" if whole else "\n\\ No newline at end of file\n")
