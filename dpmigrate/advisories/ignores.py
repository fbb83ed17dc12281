"""Ignore comments, held against findings; those that suppress nothing are findings themselves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from dpmigrate.advisories.catalogue import UnknownRuleError, advisories, select
from dpmigrate.model import Finding, Span
from dpmigrate.workspace.suppressions import (
    Suppressions,
    UnusedIgnore,
    in_lines,
    in_python,
    is_id,
    may_be_in,
    names_rule,
)

if TYPE_CHECKING:
    from dpmigrate.advisories.catalogue import Advisory
    from dpmigrate.advisories.matching import Match
    from dpmigrate.project import Project
    from dpmigrate.workspace.discover import Workspace


class Ignores:
    """The ignore comments of every file of a project, read when first asked for."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._known: dict[str, Suppressions | None] = {}
        for path, source in project.sources.items():
            if may_be_in(source):
                self._of(path)

    def _of(self, path: str) -> Suppressions | None:
        if path not in self._known:
            source = self.project.sources.get(path)
            suppressions: Suppressions | None = None
            if source is not None:
                suppressions = in_python(source, _is_rule) if may_be_in(source) else None
            else:
                suppressions = in_lines(self.project.lines(path), _is_rule)
            self._known[path] = suppressions
        return self._known[path]

    def covers(self, match: Match, finding: Finding) -> bool:
        """Whether a comment suppresses the finding (and so is used)."""
        span = finding.span
        suppressions = self._of(span.path)
        if suppressions is None:
            return False
        source = self.project.sources.get(span.path)
        first, last = span.line, span.end_line
        if source is not None:
            first, last = source.line_of(span.cell, first), source.line_of(span.cell, last)
        return suppressions.match(finding.rule, finding.name, first, last)

    def used(self) -> frozenset[tuple[str, int]]:
        """Path and line of every comment that suppressed something."""
        return frozenset(
            (path, line)
            for path, suppressions in self._known.items()
            if suppressions
            for line in suppressions.used_lines()
        )

    def unused(
        self, advisory: Advisory, workspace: Workspace, reported: Iterable[Finding]
    ) -> list[tuple[Finding, Match]]:
        """A finding for every comment that suppressed nothing, with why; ``reported`` is what was found."""
        from dpmigrate.advisories.matching import of_no_run

        by_path: dict[str, list[Finding]] = {}
        for other in reported:
            by_path.setdefault(other.span.path, []).append(other)
        out = []
        for path, suppressions in sorted(self._known.items()):
            if suppressions is None or not workspace.is_target(workspace.absolute(path)):
                continue
            source = self.project.sources.get(path)
            for ignore in suppressions.unused():
                cell, line = None, ignore.line
                if source is not None:
                    cell, line, _ = source.locate(ignore.line, ignore.column)
                span = Span(path, line, ignore.column, line, ignore.end_column, cell)
                message = _message(advisory, ignore, self._below(span, ignore, by_path.get(path, ())))
                out.append(of_no_run(advisory, span, message))
        return out

    def _below(self, comment: Span, ignore: UnusedIgnore, findings: Iterable[Finding]) -> Finding | None:
        """The finding in the next line of code below a comment that has a line to itself and speaks of it."""
        if not ignore.alone or ignore.fault is not None:
            return None
        lines = self.project.lines(comment.path, comment.cell)
        line = comment.line
        while line < len(lines) and (not lines[line].strip() or lines[line].lstrip().startswith("#")):
            line += 1
        for finding in findings:
            if (finding.span.line, finding.span.cell) == (line + 1, comment.cell) and (
                not ignore.rules or any(names_rule(word, finding.rule, finding.name) for word in ignore.rules)
            ):
                return finding
        return None


def _is_rule(word: str) -> bool:
    """Whether a word stands for rules, or has the form of an id."""
    return is_id(word) or any(word.lower() == a.name for a in advisories())


def _message(advisory: Advisory, ignore: UnusedIgnore, below: Finding | None) -> str:
    """Why a comment suppresses nothing, and what to do about it."""
    says = advisory.match
    if ignore.fault == "not understood":
        return str(says["misspelt"].format(rules=", ".join(ignore.rules) or "RULE"))
    if ignore.fault == "no brackets":
        return str(says["brackets"].format(rules=", ".join(ignore.rules)))
    for word in ignore.rules:
        try:
            select([word])
        except UnknownRuleError as error:
            return str(says["unknown"].format(why=str(error).rstrip(".")))
    if below is not None:
        return str(says["above"].format(line=below.span.line, rule=below.rule))
    return str(says["message"].format(rules=", ".join(ignore.rules) if ignore.rules else "any rule"))
