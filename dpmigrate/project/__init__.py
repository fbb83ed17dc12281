"""One project as scan and fix see it: its files, what was analysed of them, and its Opacus pins.

``opening`` makes one, from the telling files on; ``texts`` reads and parses its files on demand;
``users`` tells who imports a module; ``dependencies`` reads what it declares of Opacus, where something
private was found.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from dpmigrate.model import CutShort, NotAnalysed
from dpmigrate.workspace.discover import Workspace

if TYPE_CHECKING:
    from dpmigrate.analysis.program import InterpretedPart, Program
    from dpmigrate.analysis.source.components import Group
    from dpmigrate.analysis.source.modules import ModuleInfo, Modules
    from dpmigrate.versions.project import Declarations, ParsedFiles
    from dpmigrate.workspace.source import Source

Ready = dict[tuple[str, bytes | None], "ModuleInfo"]
"""Parsed modules by key and bytes (None: as they are on disk)."""


class Representatives(NamedTuple):
    """A few groups, as they were interpreted, that represent all others which share their pins."""

    groups: Mapping[int, Group]
    """By number among all groups of a scan."""
    ready: Ready
    known: Mapping[Group, InterpretedPart]
    binding: bool
    """Whether what they decide makes a difference to groups that have no say in it."""


class Layout(NamedTuple):
    """The files of a project by name."""

    absolute: dict[str, str]
    """Absolute paths by the key below the root."""
    others: dict[str, str]
    """Keys, by absolute path, of the files that are not telling."""
    modules: Modules
    """The names by which they are imported; none of these is parsed."""


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
        """Dependency files that name Opacus, with the overlay's contents."""
        self.telling_dependencies: dict[str, bytes] | None = None
        """The same as they are on disk, once they were looked for."""
        self.includes: dict[str, set[str]] | None = None
        """The files that each dependency file includes, once somebody asked."""
        self.parsed_dependencies: ParsedFiles = {}
        """What they hold, shared by all who know the same files."""
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
        self.imports: dict[str, frozenset[str]] = {}
        """The files that a parsed module may import, by keys, once somebody asked."""
        self.asked: frozenset[str] = frozenset()
        """Keys of the files whose text or tree the analysis asked for."""
        self.layout: Layout | None = None
        """What is known of the files by their names alone, once somebody asks."""
        self.ready: Ready = {}
        """Parsed modules that may be asked for again."""
        self.known: dict[Group, InterpretedPart] = {}
        """Groups of ``ready`` modules that were interpreted already."""
        self.kept = 0
        """The bytes of those modules."""
        self.representatives: dict[int, Representatives] = {}
        """By what stands for the pins that many groups share; replaced as they decide something else."""

    def afresh(self) -> Project:
        """The same surveyed project with nothing analysed, and without what could not be looked at."""
        other = Project(self.workspace, self.overlay)
        other.seen, other.seeds, other.layout = self.seen, self.seeds, self.layout
        other.share_dependencies(self)
        other.representatives = self.representatives
        return other

    def share_dependencies(self, other: Project) -> None:
        """Take over what another knows of the dependency files as they are on disk."""
        self.telling_dependencies = other.telling_dependencies
        self.parsed_dependencies = other.parsed_dependencies

    def __getstate__(self) -> dict[str, object]:
        """All but the modules and what they came to: another process is quicker to parse them again."""
        return {**self.__dict__, "ready": {}, "known": {}, "representatives": {}}

    @property
    def not_analysed(self) -> list[NotAnalysed]:
        """What should have been analysed and could not be."""
        return [*self.unreadable, *self.broken]

    def data(self, path: str) -> bytes:
        """The bytes of a source or dependency file by the path that reports show."""
        source = self.sources.get(path)
        return source.data if source is not None else self.dependencies[path]

    def requirements_in(self, path: str) -> bytes:
        """The bytes of a file that lists requirements line by line; none of a notebook, which installs."""
        source = self.sources.get(path)
        return b"" if source is not None and source.is_notebook else self.data(path)

    def lines(self, path: str, cell: int | None = None) -> tuple[str, ...]:
        """The lines of a file, or of a notebook's cell, as reports number them; none of an unknown file."""
        source = self.sources.get(path)
        if source is not None:
            return source.lines(cell)
        from dpmigrate.versions.decoding import shown_lines

        return shown_lines(self.dependencies[path]) if path in self.dependencies else ()

    def file_lines(self, path: str, cell: int) -> tuple[int, ...]:
        """The line of the file for every line of a notebook's cell; none of an unknown file."""
        source = self.sources.get(path)
        if source is None or source.notebook is None:
            return ()
        return source.notebook.text.file_lines(cell)

    @property
    def analysed(self) -> int:
        """The number of source files that were parsed."""
        return len(self.modules)
