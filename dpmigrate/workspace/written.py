"""Python files that a notebook writes: cells that begin with ``%%writefile train.py``.

Such a cell is code of another module, which later cells import or run (``!python train.py``). Cells
that append to a file (``-a``) continue it; a cell that writes it anew begins another module.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from dpmigrate.workspace.magics import LINE
from dpmigrate.workspace.notebook_json import CodeCell

_WRITES = re.compile(r"%%(?:writefile|file)[ \t]+([^\r\n]+)")


@dataclass(slots=True)
class WrittenFile:
    """A Python file and the cells that write it, in order; ``label`` is its own in the notebook."""

    name: str
    label: str
    cells: list[CodeCell] = field(default_factory=list)


def apart(cells: Iterable[CodeCell]) -> tuple[list[CodeCell], list[WrittenFile]]:
    """The cells that the notebook runs itself, and the Python files that the others write."""
    run_here: list[CodeCell] = []
    files: list[WrittenFile] = []
    for cell in cells:
        name, appends = _target(cell.text)
        if name is None:
            run_here.append(cell)
            continue
        target = next((f for f in reversed(files) if f.name == name), None)
        if target is None or not appends:
            target = WrittenFile(name, name if target is None else f"{name}#{cell.index}")
            files.append(target)
        target.cells.append(cell)
    return run_here, files


def first_line(lines: Sequence[str]) -> int:
    """The index of the line with the magic."""
    return next((i for i, line in enumerate(lines) if line.strip()), 0)


def module_parts(name: str) -> tuple[str, ...]:
    """The dotted name by which a written file can be imported, as far as its path tells."""
    parts = [p for p in name.removesuffix(".py").split("/") if p not in ("", ".", "..")]
    return tuple(parts[:-1] if parts[-1:] == ["__init__"] else parts)


def _target(text: str) -> tuple[str | None, bool]:
    """(file, whether it is appended to) for a cell that writes a Python file; else (None, False)."""
    lines = LINE.findall(text)
    match = _WRITES.match(lines[first_line(lines)]) if lines else None
    if match is None:
        return None, False
    try:
        words = shlex.split(match[1])
    except ValueError:
        return None, False
    names = [w for w in words if w not in ("-a", "--append")]
    if len(names) != 1 or not names[0].endswith(".py"):
        return None, False
    return names[0], len(names) < len(words)
