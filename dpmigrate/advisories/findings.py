"""Findings of an analysed project: every advisory matched, placed, and held against ignore comments."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from dpmigrate.model import Finding, FixOffer, NotAnalysed, Run, Span
from dpmigrate.project import Project
from dpmigrate.workspace.discover import Workspace

if TYPE_CHECKING:
    from dpmigrate.advisories.catalogue import Advisory
    from dpmigrate.advisories.matching import Match
    from dpmigrate.versions.pin import Pin


class Found:
    """Findings of a project together with the matches behind them, for fix."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.findings: list[Finding] = []
        self.matches: list[tuple[Finding, Match]] = []
        self.not_analysed: list[NotAnalysed] = []
        self.used_ignores: frozenset[tuple[str, int]] = frozenset()
        self.unused_ignores: frozenset[Span] = frozenset()


def findings_of(
    project: Project, *, select: Collection[str] = (), ignore: Collection[str] = (), opacus: str | None = None
) -> Found:
    """Match every advisory on a project: runs, findings inside the given paths, what was not analysed."""
    out = Found()
    out.not_analysed = list(project.not_analysed)
    if project.program is None and not out.not_analysed:
        return out
    from dpmigrate.advisories.catalogue import advisories

    wanted = [
        a
        for a in advisories()
        if a.id not in ignore and (a.id in select if select else a.reported != "selected")
    ]
    if project.program is not None:
        _judge(project, wanted, opacus, out, bool(select))
    _not_analysed(project, wanted, out)
    out.findings = sorted((f for f, _ in out.matches), key=lambda f: f.sort_key)
    return out


def _judge(project: Project, wanted: list[Advisory], opacus: str | None, out: Found, selected: bool) -> None:
    from dpmigrate.advisories.ignores import Ignores
    from dpmigrate.advisories.matching import match_runs
    from dpmigrate.advisories.pins import match_pins
    from dpmigrate.advisories.retired import match_retired
    from dpmigrate.advisories.summary import summarise
    from dpmigrate.versions.specifiers import parse_specifier

    override = parse_specifier(opacus) if opacus is not None else None
    summaries = summarise(project, override)
    index = {id(record): i for i, (_, records) in enumerate(summaries) for record in records}
    workspace = project.workspace
    shown = [i for i, (run, _) in enumerate(summaries) if _is_target(workspace, run.path)]
    numbers = {i: n for n, i in enumerate(shown)}
    out.runs = [summaries[i][0] for i in shown]
    ignores = Ignores(project)
    matches = list(match_runs(project, [a for a in wanted if a.match.get("about") != "pins"], override))
    for advisory in wanted:
        if advisory.match.get("about") == "pins":
            matches.extend(match_pins(project, advisory, override))
        if advisory.match.get("about") == "retired":
            matches.extend(match_retired(project, advisory, override))
    merged: dict[tuple[object, ...], tuple[Finding, Match]] = {}
    for match in matches:
        if match.origin is not None and _in_library(project, match):
            continue
        narrow = match.advisory.match.get("only-ghost-unless-selected") and not selected
        if narrow and match.run is not None and not match.run.ghost:
            continue
        finding = _finding(project, match, numbers.get(index.get(id(match.run), -1)))
        if not _is_target(workspace, finding.span.path) or ignores.covers(match, finding):
            continue
        key = (finding.rule, finding.span)
        old = merged.get(key)
        if old is None or (old[0].certainty == "possible" and finding.certainty == "definite"):
            merged[key] = (finding, match)
    out.matches = list(merged.values())
    for advisory in wanted:
        if advisory.match.get("about") == "ignores":
            unused = ignores.unused(advisory, workspace)
            out.matches.extend(unused)
            used = ignores.used()
            out.unused_ignores = frozenset(
                f.span for f, _ in unused if (f.span.path, f.span.line) not in used
            )
    out.used_ignores = ignores.used()


def _finding(project: Project, match: Match, run: int | None) -> Finding:
    advisory = match.advisory
    if match.origin is not None:
        span = match.origin.module.span(match.origin.node)
    else:
        assert match.pin is not None
        span = _span_of_pin(project, match.pin)
    offer = advisory.fix
    fix = None
    if match.fixable and offer.applicability != "none":
        fix = FixOffer(offer.applicability, offer.summary)
    return Finding(
        advisory.id,
        advisory.name,
        span,
        match.severity or advisory.severity,
        advisory.impact,
        match.certainty,
        match.message,
        match.because,
        run,
        fix,
        match.by_hand or advisory.fix.by_hand or None,
    )


def _span_of_pin(project: Project, pin: Pin) -> Span:
    lines = project.lines(pin.path, pin.cell)
    line = lines[pin.line - 1] if pin.line <= len(lines) else pin.text
    start = (
        max(line.find(pin.text.strip()), 0) if pin.text.strip() in line else len(line) - len(line.lstrip())
    )
    end = start + len(pin.text.strip()) if pin.text.strip() in line else len(line.rstrip())
    return Span(pin.path, pin.line, start + 1, pin.line, end + 1, pin.cell)


def _not_analysed(project: Project, wanted: list[Advisory], out: Found) -> None:
    advisory = next((a for a in wanted if a.match.get("about") == "files"), None)
    if advisory is None or not out.not_analysed:
        return
    from dpmigrate.advisories.matching import of_no_run

    for n in out.not_analysed:
        span = Span(n.path, n.line, 1, n.line, 1, n.cell)
        message = advisory.match["message"].format(reason=n.reason)
        out.matches.append(of_no_run(advisory, span, message))


def _in_library(project: Project, match: Match) -> bool:
    """Whether a match is in Opacus's own source, which plants in its tests what we look for."""
    program = project.program
    assert program is not None and match.origin is not None
    return program.modules.in_library(match.origin.module.key)


def _is_target(workspace: Workspace, shown: str) -> bool:
    return shown == "-" or workspace.is_target(workspace.absolute(shown))
