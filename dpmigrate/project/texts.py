"""The files of a project, read and parsed when the analysis asks for them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from dpmigrate.model import NotAnalysed
from dpmigrate.project import Layout, Project, Ready
from dpmigrate.workspace.core_patch import MODULE, is_core_patch
from dpmigrate.workspace.reading import read_bytes, telling

if TYPE_CHECKING:
    from dpmigrate.analysis.source.modules import ModuleInfo, Modules
    from dpmigrate.workspace.source import Source


def _unparsed(key: str, library_path: str | None) -> None:
    """What the modules of a layout are: names alone."""


class Texts:
    """Reads and parses files by their key below the project's root; what cannot be is noted once.

    ``ready`` gives modules that need no parsing; without it, those that the project has parsed.
    """

    def __init__(self, project: Project, ready: Ready | None = None) -> None:
        self.project = project
        self.ready: Ready = project.ready if ready is None else ready
        self.root = project.workspace.root.rstrip("/") + "/"
        if project.layout is None:
            project.layout = self._laid_out()
        self.absolute, self.others, _ = project.layout
        self.data = {**project.seeds, **project.overlay}
        self.asked: set[str] = set()
        """Keys of the files whose text or tree was asked for."""

    def _laid_out(self) -> Layout:
        from dpmigrate.analysis.source.modules import Modules

        seeds = self.project.seeds
        files = ("-",) if "-" in seeds else self.project.workspace.files
        absolute = {self.key(path): path for path in files}
        others = {path: key for key, path in absolute.items() if path not in seeds}
        return Layout(absolute, others, Modules(tuple(absolute), _unparsed, self._projects()))

    def _projects(self) -> list[str]:
        """The folders, by their keys, of projects that have nothing to do with one another."""
        roots = [f"{root}/" for root in self.project.workspace.roots]
        apart = [
            root for root in roots if not any(root != other and root.startswith(other) for other in roots)
        ]
        return [self.key(root.rstrip("/")) for root in apart] if len(apart) > 1 else []

    def key(self, path: str) -> str:
        """The key of a file by its absolute path."""
        return path.removeprefix(self.root)

    def modules(self) -> Modules:
        """The project's modules, parsed on demand."""
        assert self.project.layout is not None
        return self.project.layout.modules.unloaded(self.parse)

    def mentioning(self, names: Iterable[str]) -> list[str]:
        wanted = "|".join(sorted(map(re.escape, names)))
        # In the JSON of a notebook a line begins after a quote, or after an escaped line break.
        begin = rb"(?:^\s*|\"[ \t]*|\\n[ \t]*)"
        pattern = re.compile(
            begin + rb"(?:from\b|import\b|%run\b)[^\n\"\\]*\b(?:" + os.fsencode(wanted) + rb")\b",
            re.MULTILINE,
        )
        unread = [path for path in self.others if path not in self.data]
        seen = telling(unread, (b"import",), self.project.workspace.display)
        changed = {path: self.data[path] for path in self.others if path in self.data}
        texts = {**seen.data, **changed}
        return [self.others[path] for path in sorted(texts) if pattern.search(texts[path])]

    def text(self, key: str) -> bytes:
        self.asked.add(key)
        path = self.absolute[key]
        if path not in self.data:
            try:
                return read_bytes(path)
            except OSError:
                return b""
        return self.data[path]

    def parse(self, key: str, library_path: str | None = None) -> ModuleInfo | None:
        """The module at a key, which the project then knows; None when it cannot be parsed."""
        self.asked.add(key)
        at = key, self.project.overlay.get(self.absolute[key])
        info = self.ready.get(at)
        if info is None:
            info = self._parsed(key, library_path)
            if info is not None:
                self.ready[at] = info
        else:
            self._noted(info.source, self.absolute[key])
        self.project.parsed[key] = info
        return info

    def _parsed(self, key: str, library_path: str | None) -> ModuleInfo | None:
        from dpmigrate.analysis.source.modules import ModuleInfo
        from dpmigrate.workspace.errors import Unreadable, own_error
        from dpmigrate.workspace.parse import parse
        from dpmigrate.workspace.source import from_stdin, load_source

        path = self.absolute[key]
        workspace = self.project.workspace
        try:
            data = self.data.get(path)
            source = from_stdin(self.data["-"]) if path == "-" else load_source(path, workspace.cwd, data)
            if not source.is_python:
                return None
            self._noted(source, path)
            if is_core_patch(source.data):
                library_path = MODULE
            info = ModuleInfo(key, source, parse(source), library_path)
            # A colon ends the path of a notebook in the keys of the files that it writes.
            names = [f"{key}:{part.label.replace('/', '.')}" for part in source.written]
            pairs = zip(names, source.written, strict=True)
            info.writes(*(ModuleInfo(name, part, parse(part)) for name, part in pairs))
            return info
        except Unreadable as error:
            self.note(path, error.line or 1, error.reason)
        except Exception as error:
            self.note(path, 1, own_error(error))
        return None

    def _noted(self, source: Source, path: str) -> None:
        self.project.sources[source.path] = source
        for broken in source.broken_cells:
            self.note(path, broken.line, broken.reason, broken.cell)

    def note(self, path: str, line: int, reason: str, cell: int | None = None) -> None:
        """Remember that a file (by its absolute path) could not be analysed, if it is to be reported."""
        workspace = self.project.workspace
        if path == "-" or workspace.is_target(path):
            shown = path if path == "-" else workspace.display(path)
            self.project.broken.append(NotAnalysed(shown, line, reason, cell))
