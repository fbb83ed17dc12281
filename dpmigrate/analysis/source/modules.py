"""The project's modules: found by dotted name as an importer would see them, parsed on demand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from copy import copy
from functools import cached_property
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import libcst as cst

from dpmigrate.analysis.source.positions import Positions
from dpmigrate.analysis.source.texts import JoinedTexts
from dpmigrate.analysis.source.tree import Nesting
from dpmigrate.model import Place, Span
from dpmigrate.workspace.written import module_parts

LONGEST_NAME = 30
"""Parts of the dotted name of a module; folders further up are part of none."""

_MAKES_PRIVATE = (b"make_private", b"FastGradientClipping", b"wrap_model", b"prepare_module")

if TYPE_CHECKING:
    from dpmigrate.workspace.source import Source


class ModuleInfo:
    """One module of the project: its text, its tree, and positions when somebody asks.

    ``key`` is its path below the project's root, by which imports find it; ``path`` is how
    reports show it; ``library_path`` is its dotted name inside Opacus where the file is Opacus's
    own source or a fork of it (its tests use the library like anyone else), or the patch of its core.
    """

    def __init__(self, key: str, source: Source, tree: cst.Module, library_path: str | None = None) -> None:
        self.key = key
        self.path = source.path
        self.source = source
        self.tree = tree
        self.library_path = library_path
        self.is_package = key.endswith("__init__.py")
        self.written: tuple[ModuleInfo, ...] = ()
        """The Python files that a notebook writes; those know it as ``notebook``."""
        self.notebook: ModuleInfo | None = None

    def __repr__(self) -> str:
        return f"ModuleInfo({self.key!r})"

    def writes(self, *files: ModuleInfo) -> None:
        """Take the files that this notebook writes."""
        self.written = files
        for info in files:
            info.notebook = self

    def written_beside(self, dotted: str) -> ModuleInfo | None:
        """The file of that dotted name which this notebook, or the one that writes this file, writes."""
        parts = tuple(p for p in dotted.split(".") if p)
        for info in reversed((self.notebook or self).written):
            name = module_parts(info.source.notebook.name) if info.source.notebook else ()
            if info is not self and parts and name[-len(parts) :] == parts:
                return info
        return None

    @cached_property
    def makes_private(self) -> bool:
        """Whether some private run can be made in it, by its bytes."""
        return any(mark in self.source.data for mark in _MAKES_PRIVATE)

    @cached_property
    def nesting(self) -> Nesting:
        """Its nodes in the order of the text."""
        return Nesting(self.tree)

    @cached_property
    def _positions(self) -> Positions:
        return Positions(self.tree)

    @property
    def is_lossless(self) -> bool:
        """Whether its tree renders to exactly the text that it was made of.

        LibCST 1.9 drops a form feed at the start of a line and a final bare carriage return.
        """
        return self._positions.text == self.source.python

    def span(self, node: cst.CSTNode) -> Span:
        """Where a node stands, as editors count (in its cell, in a notebook)."""
        position = self._positions[node]
        cell, line, column = self.source.locate(position.line, position.column + 1)
        end_cell, end_line, end_column = self.source.locate(position.end_line, position.end_column + 1)
        if end_cell != cell:
            end_line, end_column = line, column + 1
        return Span(self.path, line, column, end_line, end_column, cell)

    def line(self, node: cst.CSTNode) -> int:
        """The 1-based line of a node in ``source.python`` (not in its cell)."""
        return self._positions[node].line

    def end_line(self, node: cst.CSTNode) -> int:
        """The 1-based last line of a node in ``source.python``."""
        return self._positions[node].end_line

    def place(self, node: cst.CSTNode, text: str = "") -> Place:
        """A node's line, with a few words on it."""
        span = self.span(node)
        return Place(self.path, span.line, text, span.cell)


Load = Callable[[str, str | None], ModuleInfo | None]
"""Parses the file at a key; also given its dotted name inside Opacus, where it has one."""


class Modules:
    """Every file of the project by the names under which it can be imported."""

    def __init__(self, paths: Iterable[str], load: Load, roots: Sequence[str] = ()) -> None:
        """``roots`` are folders, none in another, that are projects of their own: none imports another."""
        self._load = load
        self._roots = tuple(f"{root}/" for root in roots)
        self._loaded: dict[str, ModuleInfo | None] = {}
        self.texts = JoinedTexts()
        """Those of the modules that were parsed."""
        self._meant: dict[tuple[str, str, int], str | None] = {}
        """What was asked for by name, from a folder: what a name means is asked for every import."""
        self._in_library: dict[str, bool] = {}
        self._by_suffix: dict[tuple[str, ...], list[str]] = {}
        self._folders: set[tuple[str, ...]] = set()
        """Every folder with modules below it, by each of the names that an import can give it."""
        keys = [p for p in paths if p.endswith(".py")]
        self._libraries = _library_folders(keys)
        self._checkouts = _checkouts(keys, self._libraries)
        zero_x = {"/".join([*folder, "per_sample_gradient_clip.py"]) for folder in self._libraries}
        self.holds_zero_x = not zero_x.isdisjoint(keys)
        """Whether the project has a copy or a fork of Opacus 0.x in it, whose engine is attached."""
        self._is_opacus = "setup.py" in keys and any(key.startswith("benchmarks/") for key in keys)
        for path in keys:
            parts = PurePosixPath(path).with_suffix("").parts
            if parts[-1] == "__init__":
                parts = parts[:-1]
            for start in range(max(0, len(parts) - LONGEST_NAME), len(parts)):
                self._by_suffix.setdefault(parts[start:], []).append(path)
                for end in range(start + 1, len(parts)):
                    self._folders.add(parts[start:end])

    def unloaded(self, load: Load) -> Modules:
        """The same files under the same names, of which none is parsed yet."""
        other = copy(self)
        other._load, other._loaded, other.texts = load, {}, JoinedTexts()
        return other

    def get(self, path: str) -> ModuleInfo | None:
        """The module at a path, parsed at most once; None when it cannot be."""
        if path not in self._loaded:
            info = self._loaded[path] = self._load(path, self.library_path(path))
            for part in (info, *info.written) if info is not None else ():
                self.texts.add(part.source.data)
        return self._loaded[path]

    @property
    def asked(self) -> list[str]:
        """The files that somebody asked for, whether they could be parsed or not."""
        return list(self._loaded)

    @property
    def holds_library(self) -> bool:
        """Whether the project has a copy or a fork of Opacus in it, which may take other keywords."""
        return bool(self._libraries)

    def library_path(self, key: str) -> str | None:
        """The dotted name inside Opacus of a file of Opacus's own source or of a fork; else None."""
        parts = PurePosixPath(key).with_suffix("").parts
        for folder in self._libraries:
            if parts[: len(folder)] == folder and "tests" not in parts[len(folder) :]:
                inside = [p for p in parts[len(folder) :] if p != "__init__"]
                return ".".join(["opacus", *inside])
        return None

    def in_library(self, key: str) -> bool:
        """Whether a file belongs to Opacus or a fork, its tests included, or to a copy of the whole."""
        if not self._libraries and not self._checkouts:
            return False
        if key not in self._in_library:
            parts = PurePosixPath(key).parts
            folders = (*self._libraries, *self._checkouts)
            self._in_library[key] = any(parts[: len(folder)] == folder for folder in folders)
        return self._in_library[key]

    def is_followed(self, key: str) -> bool:
        """Whether a file is followed: it is the project's own, or a test of Opacus in its own checkout.

        What such a test plants is listed and never reported.
        """
        if not self.in_library(key):
            return True
        parts = PurePosixPath(key).parts
        return self._is_opacus and parts[:1] in self._libraries and "tests" in parts

    def loaded(self) -> list[ModuleInfo]:
        """Every module that was parsed so far, the files that notebooks write included."""
        return [m for info in self._loaded.values() if info is not None for m in (info, *info.written)]

    def path_of(self, dotted: str, importer: str, level: int = 0) -> str | None:
        """The file that ``import dotted`` means in ``importer``; None when it is no file of ours.

        ``level`` counts the dots of a relative import. Among several files with a fitting path
        the one nearest to the importer wins, as the importer's own folder and its parents are
        what ``sys.path`` usually holds.
        """
        key = dotted, importer.rpartition("/")[0], level
        if key not in self._meant:
            self._meant[key] = self._meaning(*key)
        return self._meant[key]

    def _meaning(self, dotted: str, within: str, level: int) -> str | None:
        parts = tuple(p for p in dotted.split(".") if p)
        folder = PurePosixPath(within).parts
        if level:
            if level - 1 > len(folder):
                return None
            base = folder[: len(folder) - (level - 1)]
            return self._exact(base + parts)
        if not parts or parts[0] in INSTALLED:
            return None
        candidates: Sequence[str] = self._by_suffix.get(parts, ())
        if self._roots:
            home = self._root_of(f"{within}/" if within else "")
            candidates = [c for c in candidates if self._root_of(c) == home]
        if not candidates:
            return None
        for up in range(len(folder), -1, -1):
            for between in ((), ("src",), ("lib",)):
                module = self._exact(folder[:up] + between + parts)
                if module is not None and module in candidates:
                    return module
        if len(parts) > 1 or len(candidates) == 1:
            return max(candidates, key=lambda c: (_shared(PurePosixPath(c).parts, folder), -len(c), c))
        return None

    def _root_of(self, key: str) -> str | None:
        """The project that a file is in."""
        return next((root for root in self._roots if key.startswith(root)), None)

    def _exact(self, parts: tuple[str, ...]) -> str | None:
        if not parts:
            return None
        for path in self._by_suffix.get(parts, ()):
            path_parts = PurePosixPath(path).with_suffix("").parts
            if path_parts == parts or path_parts == (*parts, "__init__"):
                return path
        return None

    def is_package_folder(self, dotted: str, importer: str, level: int = 0) -> bool:
        """Whether the name is a folder with modules in it, with or without ``__init__``."""
        parts = tuple(p for p in dotted.split(".") if p)
        folder = PurePosixPath(importer).parent.parts
        if level:
            if level - 1 > len(folder):
                return False
            return folder[: len(folder) - (level - 1)] + parts in self._folders
        return parts[0] not in INSTALLED and parts in self._folders


INSTALLED = frozenset(["opacus", "torch"])
"""Packages that an import of their name means, whatever folders of that name the project has."""


_TELLING = frozenset(
    [
        "privacy_engine.py",
        "grad_sample/grad_sample_module.py",
        "grad_sample/grad_sample_module_fast_gradient_clipping.py",
        "grad_sample/grad_sample_hooks_fast_gradient_clipping.py",
        "optimizers/optimizer.py",
        "optimizers/optimizer_fast_gradient_clipping.py",
        "optimizers/ddpoptimizer_fast_gradient_clipping.py",
        "utils/batch_memory_manager.py",
        "utils/fast_gradient_clipping_utils.py",
        "utils/adaptive_clipping/adaptive_clipping_utils.py",
    ]
)
"""Files by which a folder named ``opacus`` is known to hold some of Opacus's own source."""


def _library_folders(keys: Iterable[str]) -> list[tuple[str, ...]]:
    """The folders that hold Opacus itself, a fork, or patched files of it.

    A fork has an engine beside per-sample gradients, whatever its name; patched files stand below
    a folder named ``opacus`` where the library has them.
    """
    all_keys = set(keys)
    folders = set()
    for key in all_keys:
        path = PurePosixPath(key)
        if path.name == "privacy_engine.py" and str(path.parent / "grad_sample" / "__init__.py") in all_keys:
            folders.add(path.parent.parts)
        for end, part in enumerate(path.parts[:-1], 1):
            if part == "opacus" and "/".join(path.parts[end:]) in _TELLING:
                folders.add(path.parts[:end])
    return sorted(folders)


def _checkouts(keys: Iterable[str], libraries: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The folders that hold a whole copy of Opacus's repository, one that is the project itself excepted.

    Such a folder is named after it, or has its benchmarks beside the library. Of a checkout whose setup was
    left behind, the settings of its tests tell.
    """
    all_keys = set(keys)
    folders = []
    for *above, name in libraries:
        marks = ("setup.py", "conftest.py", "benchmarks/run_benchmarks.py")
        here = [mark for mark in marks if "/".join([*above, mark]) in all_keys]
        if (
            above
            and name == "opacus"
            and here
            and ("opacus" in above[-1].lower() or set(marks[::2]) <= set(here))
        ):
            folders.append(tuple(above))
    return folders


def _shared(a: tuple[str, ...], b: tuple[str, ...]) -> int:
    count = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        count += 1
    return count
