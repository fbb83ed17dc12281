"""Ignore comments, held against findings; those that suppress nothing are findings themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dpmigrate.model import Finding, Span
from dpmigrate.workspace.suppressions import Suppressions, in_lines, in_python

if TYPE_CHECKING:
    from dpmigrate.advisories.catalogue import Advisory
    from dpmigrate.advisories.matching import Match
    from dpmigrate.project import Project
    from dpmigrate.workspace.discover import Workspace

_WORD = b"dpmigrate:"
"""Bytes of the files that may hold such a comment, in lower case."""


class Ignores:
    """The ignore comments of every file of a project, read when first asked for."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._known: dict[str, Suppressions | None] = {}
        for path, source in project.sources.items():
            if _WORD in source.data.lower():
                self._of(path)

    def _of(self, path: str) -> Suppressions | None:
        if path not in self._known:
            source = self.project.sources.get(path)
            found: Suppressions | None = None
            if source is not None:
                found = in_python(source) if _WORD in source.data.lower() else None
            else:
                found = in_lines(self.project.lines(path))
            self._known[path] = found
        return self._known[path]

    def covers(self, match: Match, finding: Finding) -> bool:
        """Whether a comment suppresses the finding (and so is used)."""
        span = finding.span
        known = self._of(span.path)
        if known is None:
            return False
        source = self.project.sources.get(span.path)
        first, last = span.line, span.end_line
        if source is not None:
            first, last = source.line_of(span.cell, first), source.line_of(span.cell, last)
        return known.match(finding.rule, finding.name, first, last)

    def used(self) -> frozenset[tuple[str, int]]:
        """Path and line of every comment that suppressed something."""
        return frozenset(
            (path, line) for path, known in self._known.items() if known for line in known.used_lines()
        )

    def unused(self, advisory: Advisory, workspace: Workspace) -> list[tuple[Finding, Match]]:
        """A finding for every comment that suppressed nothing."""
        from dpmigrate.advisories.matching import of_no_run

        out = []
        for path, known in sorted(self._known.items()):
            if known is None or not workspace.is_target(workspace.absolute(path)):
                continue
            source = self.project.sources.get(path)
            for ignore in known.unused():
                cell, line = None, ignore.line
                if source is not None:
                    cell, line, _ = source.locate(ignore.line, ignore.column)
                span = Span(path, line, ignore.column, line, ignore.end_column, cell)
                rules = ", ".join(ignore.rules) if ignore.rules else "any rule"
                message = advisory.match["message"].format(rules=rules)
                out.append(of_no_run(advisory, span, message))
        return out
