"""One project as scan and fix see it: its files, what was analysed of them, and its Opacus pins."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dpmigrate.model import CutShort, NotAnalysed
from dpmigrate.workspace.discover import Workspace
from dpmigrate.workspace.reading import read_bytes, telling

if TYPE_CHECKING:
    from dpmigrate.analysis.components import Group
    from dpmigrate.analysis.modules import ModuleInfo, Modules
    from dpmigrate.analysis.program import Program
    from dpmigrate.versions.project import Declarations
    from dpmigrate.workspace.source import Source

TELLING = (b"opacus", b"make_private")
"""Bytes of the files where an analysis begins; each one more is another pass over every file."""
MAKERS = (b"make_private", b"FastGradientClipping")
"""Bytes of the files that make private runs."""

Ready = dict[tuple[str, bytes | None], "ModuleInfo"]


class Project:
    """What one scan knows. Paths in ``sources`` and ``dependencies`` are as reports show them."""

    def __init__(self, workspace: Workspace, overlay: Mapping[str, bytes]) -> None:
        self.workspace = workspace
        self.overlay = overlay
        self.seen = 0
        self.seeds: dict[str, bytes] = {}
        """Telling files by absolute path; ``-`` is standard input."""
        self.sources: dict[str, Source] = {}
        """Every source file that was read because it is telling or was imported by one that is."""
        self.dependencies: dict[str, bytes] = {}
        """Dependency files that name Opacus."""
        self.unreadable: list[NotAnalysed] = []
        """Files that could not even be looked at."""
        self.broken: list[NotAnalysed] = []
        """Files, and dependency files, that were read and could not be analysed."""
        self.groups: tuple[Group, ...] = ()
        """What was analysed, one part of the program each."""
        self.parsed: dict[str, ModuleInfo | None] = {}
        """Every module that was asked for, by its key below the root; None where it cannot be parsed."""
        self.program: Program | None = None
        self.declarations: Declarations | None = None
        self.cut_short: list[CutShort] = []
        """Where the analysis ran out of its budget."""
        self.modules: dict[str, ModuleInfo] = {}
        """Every parsed module by the path that reports show."""

    @property
    def not_analysed(self) -> list[NotAnalysed]:
        """What should have been analysed and could not be."""
        return [*self.unreadable, *self.broken]

    def data(self, path: str) -> bytes:
        """The bytes of a source or dependency file by the path that reports show."""
        source = self.sources.get(path)
        return source.data if source is not None else self.dependencies[path]

    @property
    def analysed(self) -> int:
        """The number of source files that were parsed."""
        return len(self.modules)


def open_project(
    workspace: Workspace, stdin: bytes | None = None, overlay: Mapping[str, bytes] | None = None
) -> Project:
    """Read the workspace, analyse what matters in it as a fix needs it, and read its dependency files.

    ``overlay`` holds contents, by absolute path, that stand for what is on disk: the project as
    it would be after a fix. Nothing is parsed, and LibCST is not imported, where no file has telling bytes.
    """
    project = survey(workspace, stdin, overlay)
    if project.seeds:
        analyse_groups(project, groups(project), recording=True)
    return project


def survey(
    workspace: Workspace, stdin: bytes | None = None, overlay: Mapping[str, bytes] | None = None
) -> Project:
    """A project of which only the telling files are known; nothing is parsed."""
    project = Project(workspace, overlay or {})
    project.unreadable += workspace.not_analysed
    files = () if stdin is not None else workspace.files
    found = telling(files, TELLING, workspace.display)
    project.seen = found.seen + (stdin is not None)
    project.unreadable += [n for n in found.not_analysed if workspace.is_target(workspace.absolute(n.path))]
    project.seeds = dict(found.data)
    if stdin is not None and any(t in stdin for t in TELLING):
        project.seeds["-"] = stdin
    for path, data in project.overlay.items():
        if path not in files:
            continue
        if any(t in data for t in TELLING):
            project.seeds[path] = data
        else:
            project.seeds.pop(path, None)
    return project


def groups(project: Project) -> list[Group]:
    """The modules to analyse, in groups that have nothing to do with one another.

    Where PATH names a part of the project, only the groups that reach into it, or that a
    dependency file in it governs.
    """
    from dpmigrate.analysis.program import groups_of

    texts = Texts(project)
    found = groups_of(texts.modules(), [texts.key(path) for path in project.seeds], texts)
    workspace = project.workspace
    paths = [[texts.absolute[key] for key in g.members] for g in found]
    reaches = [any(map(workspace.is_target, members)) for members in paths]
    if "-" in project.seeds or all(reaches):
        return found
    governed = _governed(workspace)
    return [
        g
        for g, inside, members in zip(found, reaches, paths, strict=True)
        if inside or any(map(governed, members))
    ]


def _governed(workspace: Workspace) -> Callable[[str], bool]:
    """Whether a dependency file inside PATH has a say in the source file at an absolute path."""
    if not any(map(workspace.is_target, workspace.dependency_files)):
        return lambda path: False
    from dpmigrate.versions.project import load_declarations

    declarations, _ = load_declarations(_dependencies(workspace).items())
    own = {pin.path for pin in declarations.pins if workspace.is_target(workspace.absolute(pin.path))}

    def governed(path: str) -> bool:
        return any(pin.path in own for pin in declarations.declared_for(workspace.display(path)).pins)

    return governed


def _dependencies(workspace: Workspace) -> dict[str, bytes]:
    """The dependency files that name Opacus, by the path that reports show."""
    from dpmigrate.versions.decoding import NEEDLES

    found = telling(workspace.dependency_files, NEEDLES, workspace.display)
    return {workspace.display(path): data for path, data in found.data.items()}


def analyse_groups(project: Project, chosen: Sequence[Group], recording: bool = False) -> None:
    """Interpret some groups of modules, and read the dependency files where something private was found."""
    from dpmigrate.analysis.program import analyse

    texts = Texts(project)
    modules = texts.modules()
    with paused_collector():
        program = analyse(modules, chosen, recording)
    settle(project, texts, program, chosen)


def settle(project: Project, texts: Texts, program: Program, chosen: Sequence[Group]) -> None:
    """Keep an analysis: its modules, what it could not follow, and the dependency files that it asks for."""
    project.program, project.groups = program, tuple(chosen)
    project.modules = {m.path: m for m in program.modules.loaded() if m.notebook is None}
    for key in sorted({key.partition(":")[0] for key in program.too_deep}):
        texts.note(texts.absolute[key], 1, "code nested too deeply to follow")
    for name in dict.fromkeys(program.exhausted):
        key, _, entry = name.partition(":")
        if key not in program.too_deep:
            path = project.workspace.display(texts.absolute[key])
            project.cut_short.append(CutShort(path, entry, _leads_to_runs(texts, program, key)))
    _declare(project)


def _leads_to_runs(texts: Texts, program: Program, key: str) -> bool:
    """Whether a module, or one that it imports, has a private run or the text of a call that makes one."""
    from dpmigrate.analysis.components import imports_in

    known = {run.module.key for run in program.runs}
    pending, seen = [key], {key}
    while pending:
        key = pending.pop()
        text = texts.text(key)
        if key in known or any(maker in text for maker in MAKERS):
            return True
        found = {k for k in imports_in(program.modules, key, text) if program.modules.library_path(k) is None}
        pending += found - seen
        seen |= found
    return False


@contextmanager
def paused_collector() -> Iterator[None]:
    """Without garbage collection: trees are many small objects that live on, and it only costs."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


class Texts:
    """Reads and parses files by their key below the project's root; what cannot be is noted once.

    ``ready`` gives modules that need no parsing, by key and bytes (None: as they are on disk).
    """

    def __init__(self, project: Project, ready: Ready | None = None) -> None:
        self.project = project
        self.ready: Ready = {} if ready is None else ready
        workspace, seeds = project.workspace, project.seeds
        self.root = workspace.root.rstrip("/") + "/"
        files = ("-",) if "-" in seeds else workspace.files
        self.absolute = {self.key(path): path for path in files}
        self.data = {**seeds, **project.overlay}
        self.others = {path: key for key, path in self.absolute.items() if path not in seeds}

    def key(self, path: str) -> str:
        """The key of a file by its absolute path."""
        return path.removeprefix(self.root)

    def modules(self) -> Modules:
        """The project's modules, parsed on demand."""
        from dpmigrate.analysis.modules import Modules

        return Modules(tuple(self.absolute), self.parse)

    def mentioning(self, names: Iterable[str]) -> list[str]:
        wanted = "|".join(sorted(map(re.escape, names)))
        # In the JSON of a notebook a line begins after a quote, or after an escaped line break.
        begin = rb"(?:^\s*|\"[ \t]*|\\n[ \t]*)"
        pattern = re.compile(
            begin + rb"(?:from\b|import\b|%run\b)[^\n\"\\]*\b(?:" + wanted.encode() + rb")\b", re.MULTILINE
        )
        unread = [path for path in self.others if path not in self.data]
        seen = telling(unread, (b"import",), self.project.workspace.display)
        changed = {path: self.data[path] for path in self.others if path in self.data}
        texts = {**seen.data, **changed}
        return [self.others[path] for path in sorted(texts) if pattern.search(texts[path])]

    def text(self, key: str) -> bytes:
        path = self.absolute[key]
        if path not in self.data:
            try:
                return read_bytes(path)
            except OSError:
                return b""
        return self.data[path]

    def parse(self, key: str, library_path: str | None = None) -> ModuleInfo | None:
        """The module at a key, which the project then knows; None when it cannot be parsed."""
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
        from dpmigrate.analysis.modules import ModuleInfo
        from dpmigrate.workspace.errors import Unreadable
        from dpmigrate.workspace.parse import parse
        from dpmigrate.workspace.source import from_stdin, load

        path = self.absolute[key]
        workspace = self.project.workspace
        try:
            data = self.data.get(path)
            source = from_stdin(self.data["-"]) if path == "-" else load(path, workspace.cwd, data)
            if not source.is_python:
                return None
            self._noted(source, path)
            info = ModuleInfo(key, source, parse(source), library_path)
            # A colon ends the path of a notebook in the keys of the files that it writes.
            names = [f"{key}:{part.label.replace('/', '.')}" for part in source.written]
            pairs = zip(names, source.written, strict=True)
            info.writes(*(ModuleInfo(name, part, parse(part)) for name, part in pairs))
            return info
        except Unreadable as error:
            self.note(path, error.line or 1, error.reason)
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


def _declare(project: Project) -> None:
    """Read the dependency files; only worth it where something private was found."""
    workspace = project.workspace
    if project.program is None or not project.program.runs:
        return
    from dpmigrate.versions.project import load_declarations

    project.dependencies = {
        path: project.overlay.get(workspace.absolute(path), data)
        for path, data in _dependencies(workspace).items()
    }
    notebooks = [(s.path, _cells(s)) for s in project.sources.values() if s.is_notebook]
    project.declarations, problems = load_declarations(tuple(project.dependencies.items()), notebooks)
    project.broken += problems


def _cells(source: Source) -> Sequence[tuple[int, str]]:
    """The cells that install something, whole, so that lines and offsets count inside the cell."""
    cells = dict.fromkeys(install.cell for install in source.install_lines())
    return [(cell, "\n".join(source.lines(cell))) for cell in cells]
