"""A project as it would be with some files changed, for what a try costs: only what a change reaches.

Nothing flows between two groups of modules, so that a group without a changed file is taken over as
it was analysed, and so is every parsed module whose bytes stay.
"""

from __future__ import annotations

from collections.abc import Mapping

from dpmigrate.analysis.ledger.analysed import Component
from dpmigrate.analysis.program import InterpretedPart, Program, analyse
from dpmigrate.analysis.source.components import Group, imports_in
from dpmigrate.analysis.source.modules import Modules
from dpmigrate.codemods.program.facts import Facts
from dpmigrate.project import Project, Ready
from dpmigrate.project.opening import TELLING, analyse_groups, groups, keep_analysis, paused_collector, survey
from dpmigrate.project.texts import Texts


class Rehearsals:
    """Tries of changes to one analysed project."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._ready: Ready = {(key, None): m for key, m in project.parsed.items() if m is not None}
        self._parts: dict[tuple[int, frozenset[tuple[str, bytes]]], InterpretedPart] = {}
        """The analyses of groups, by number and the bytes of their changed files."""
        self.facts: dict[Component, Facts] = {}
        """What codemods know of each component, which most tries share."""

    def of(self, overlay: Mapping[str, bytes]) -> Project:
        """The project with the contents of ``overlay`` (by absolute path), analysed as a fix needs it."""
        old = self.project
        workspace, overlay = old.workspace, {**old.overlay, **overlay}
        project = Project(workspace, overlay)
        project.seen = old.seen
        project.unreadable = old.unreadable
        project.seeds = {path: overlay.get(path, data) for path, data in old.seeds.items()}
        project.layout = old.layout
        project.share_dependencies(old)
        texts = Texts(project, self._ready)
        changed = {texts.key(path): data for path, data in overlay.items() if texts.key(path) in old.parsed}
        modules = texts.modules()
        if old.program is None or not all(
            self._same_place(modules, key, new) for key, new in changed.items()
        ):
            return self._anew(overlay)
        with paused_collector():
            for key in old.parsed:
                modules.get(key)
            parts = [
                self._part(modules, number, group, changed) or old.program.parts[number]
                for number, group in enumerate(old.groups)
            ]
        keep_analysis(project, texts, Program(modules, parts), old.groups)
        return project

    def _anew(self, overlay: Mapping[str, bytes]) -> Project:
        """The project opened again, as far as it was analysed: no other group has a say in a fix."""
        project = survey(self.project.workspace, overlay=overlay)
        project.share_dependencies(self.project)
        project.unreadable = self.project.unreadable
        reached = frozenset[str]().union(*(group.members for group in self.project.groups))
        chosen = [group for group in groups(project) if group.members & reached] if project.seeds else []
        if chosen:
            analyse_groups(project, chosen)
        return project

    def _same_place(self, modules: Modules, key: str, new: bytes) -> bool:
        """Whether a changed file has to do with the same files as before."""
        info = self.project.parsed[key]
        if info is None:
            return False
        before = info.source.data
        telling = [any(mark in data for mark in TELLING) for data in (before, new)]
        return telling[0] == telling[1] and _imported(modules, key, before) == _imported(modules, key, new)

    def _part(
        self, modules: Modules, number: int, group: Group, changed: Mapping[str, bytes]
    ) -> InterpretedPart | None:
        """A group analysed with its changed files; None where nothing in it changes."""
        changed_here = frozenset((key, data) for key, data in changed.items() if key in group.members)
        if not changed_here:
            return None
        if (number, changed_here) not in self._parts:
            self._parts[number, changed_here] = analyse(modules, [group]).parts[0]
        return self._parts[number, changed_here]


def _imported(modules: Modules, key: str, text: bytes) -> frozenset[str]:
    """The files of the project that a text imports, Opacus's own left out, which are not analysed."""
    return frozenset(k for k in imports_in(modules, key, text) if modules.is_followed(k))
