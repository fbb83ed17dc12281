"""Places in the user's code: which frames are the project's, and how a line is shown.

A frame is a library's by where its file lies: in the standard library or in site-packages of whatever
Python, or in the folder from which torch, Opacus or this package was loaded. A project may have a folder
of any name. The patch that a fix puts into a project is a library's file as well.
"""

from __future__ import annotations

import re
import sys
import sysconfig
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FrameType

from dpmigrate.workspace.core_patch import MODULE, is_core_patch

STARTED_IN = Path.cwd()
"""The folder that paths are shown relative to; the script may change its own."""

_OF_SOME_PYTHON = re.compile(r"[/\\](?:site-packages|dist-packages|lib(?:64)?[/\\]python3\.\d+t?)[/\\]")

_STANDARD = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib"))

_PACKAGES = ("opacus", "torch", "dpmigrate")


@dataclass
class CodePlace:
    """Where user code made an engine."""

    path: str
    line: int


def is_library(path: str) -> bool:
    """Whether the file of a frame belongs to a library, the standard one included, and not to the project."""
    if path.startswith("<"):
        return True
    full = str(STARTED_IN / path)
    if _OF_SOME_PYTHON.search(full) or _is_core_patch(full):
        return True
    return any(_below(full, folder) for folder in (*_STANDARD, *map(folder_of, _PACKAGES)))


@cache
def _is_core_patch(path: str) -> bool:
    return Path(path).stem == MODULE and is_core_patch(Path(path).read_bytes())


def folder_of(package: str) -> str:
    """The folder that a package was loaded from; empty where it is not loaded."""
    file = getattr(sys.modules.get(package), "__file__", None)
    return str(Path(file).parent) if isinstance(file, str) else ""


def is_own(path: str) -> bool:
    """Whether the file of a frame is one of those that run the script here."""
    return path == "<frozen runpy>" or _below(str(STARTED_IN / path), folder_of("dpmigrate"))


def user_frame() -> FrameType | None:
    """The innermost frame that is the project's."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if not is_library(frame.f_code.co_filename):
            return frame
        frame = frame.f_back
    return None


def user_place() -> str:
    """The line of the project that runs now, as reports show it; empty where none does."""
    frame = user_frame()
    return "" if frame is None else shown_place(frame.f_code.co_filename, frame.f_lineno)


def being_probed() -> bool:
    """Whether ``patch_opacus`` is trying Opacus out: what it makes is no training run."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__") == "dpmigrate.runtime.patch":
            return True
        frame = frame.f_back
    return False


def place_of_frame(frame: FrameType | None) -> CodePlace:
    """Path (POSIX, relative to the current folder where it lies below it) and line of a frame."""
    if frame is None:
        return CodePlace("?", 0)
    return CodePlace(shown_path(frame.f_code.co_filename), frame.f_lineno)


def shown_path(path: str) -> str:
    """``path`` as reports show it: POSIX, relative to the folder of the call where it lies below it."""
    real = Path(path)
    try:
        return (STARTED_IN / real).resolve().relative_to(STARTED_IN.resolve()).as_posix()
    except (ValueError, OSError):
        return real.as_posix()


def in_cell(path: str, line: int) -> tuple[int | None, int]:
    """(cell, line in the cell) for a line of a notebook's Python text; (None, line) for one of a script."""
    if not path.endswith(".ipynb"):
        return None, line
    from dpmigrate.workspace.source import load_source

    cell, line, _ = load_source(path, STARTED_IN).locate(line, 1)
    return cell, line


def shown_place(path: str, line: int) -> str:
    """``train.py:3``, or ``train.ipynb:2, cell 1`` with the line in the cell, which are counted from 1."""
    cell, line = in_cell(path, line)
    return f"{shown_path(path)}:{line}" + ("" if cell is None else f", cell {cell + 1}")


def _below(path: str, folder: str) -> bool:
    return bool(folder) and path.startswith(folder.rstrip("/\\") + "/")
