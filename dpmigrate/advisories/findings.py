"""Findings of an analysed project: every advisory matched, placed, and held against ignore comments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from dpmigrate.model import (
    Finding,
    FindingKey,
    FixOffer,
    NotAnalysed,
    Place,
    Run,
    Span,
    Suppressed,
    SuppressedBy,
)
from dpmigrate.project import Project
from dpmigrate.workspace.discover import Workspace

if TYPE_CHECKING:
    from dpmigrate.advisories.choice import Choices
    from dpmigrate.advisories.evidence import Assumed
    from dpmigrate.advisories.ignores import Ignores
    from dpmigrate.advisories.matching import Match
    from dpmigrate.versions.pin import Pin
    from dpmigrate.versions.releases import VersionSet
    from dpmigrate.workspace.settings import Settings


class Found:
    """Findings of a project together with the matches behind them, for fix."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.findings: list[Finding] = []
        self.matches: list[tuple[Finding, Match]] = []
        self.suppressed: list[Suppressed] = []
        self.not_analysed: list[NotAnalysed] = []
        self.used_ignores: frozenset[tuple[str, int]] = frozenset()
        self.unused_ignores: frozenset[Span] = frozenset()


def findings_of(project: Project) -> Found:
    """Match every advisory on a project: runs, findings inside the given paths, what was not analysed.

    Each finding goes by the options of the file that it is in. Raises ConfigError for a wrong option.
    """
    out = Found()
    if project.program is None and not project.not_analysed:
        return out
    from dpmigrate.advisories.choice import Choices

    choices = Choices(project.workspace.settings)
    if project.program is not None:
        _judge(project, choices, out)
    out.not_analysed = list(project.not_analysed)
    _not_analysed(project, choices, out)
    out.findings = sorted((f for f, _ in out.matches), key=lambda f: f.sort_key)
    return out


def check_rules(settings: Settings) -> None:
    """Raise ConfigError for what was said of rules and releases, so far, and is wrong."""
    if settings.chooses:
        from dpmigrate.advisories.choice import Choices

        Choices(settings)


def _judge(project: Project, choices: Choices, out: Found) -> None:
    """Fill in all that comes of private runs and of the code: runs, findings, and what is suppressed."""
    from dpmigrate.advisories.catalogue import advisories
    from dpmigrate.advisories.ignores import Ignores
    from dpmigrate.advisories.summary import summarise

    workspace = project.workspace

    def assumed(path: str) -> VersionSet | None:
        return choices.of(workspace.absolute(path)).opacus

    summaries = summarise(project, assumed)
    index = {id(record): i for i, (_, records) in enumerate(summaries) for record in records}
    shown = [i for i, (run, _) in enumerate(summaries) if _is_target(workspace, run.path)]
    numbers = {i: n for n, i in enumerate(shown)}
    out.runs = [summaries[i][0] for i in shown]
    ignores = Ignores(project)
    merged = _OfEachPlace(choices, workspace, ignores)
    for match in _matches(project, choices, assumed):
        if match.origin is not None and _in_library(project, match):
            continue
        of_run = index.get(id(match.run))
        finding = _finding(project, match, None if of_run is None else numbers.get(of_run))
        if of_run is not None and finding.run is None:
            run = summaries[of_run][0]
            finding = finding._replace(run_elsewhere=Place(run.path, run.line, run.call, run.cell))
        if _is_target(workspace, finding.span.path) and not _too_narrow(choices, workspace, match):
            merged.add(finding, match)
    out.matches = list(merged.reported.values())
    out.suppressed = list(merged.suppressed.values())
    for advisory in advisories():
        if advisory.match.get("about") == "ignores":
            unused = ignores.unused(advisory, workspace, [finding for finding, _ in out.matches])
            _add(unused, choices, workspace, out)
            used = ignores.used()
            out.unused_ignores = frozenset(
                f.span for f, _ in unused if (f.span.path, f.span.line) not in used
            )
    out.used_ignores = ignores.used()


def _matches(project: Project, choices: Choices, assumed: Assumed) -> Iterator[Match]:
    """Every match of every advisory on a project: on its runs, its pins, and names that are gone."""
    from dpmigrate.advisories.catalogue import advisories
    from dpmigrate.advisories.contexts import sure_on_every_way
    from dpmigrate.advisories.matching import match_runs
    from dpmigrate.advisories.pins import match_pins
    from dpmigrate.advisories.retired import match_retired

    workspace = project.workspace

    def target(path: str) -> VersionSet | None:
        return choices.of(workspace.absolute(path)).target

    def asked_by_name(path: str) -> frozenset[str]:
        return choices.of(workspace.absolute(path)).asked

    of_runs = [a for a in advisories() if a.match.get("about") != "pins"]
    of_the_text = match_runs(project, of_runs, assumed, target, asked_by_name)
    parts = project.program.parts if project.program is not None else ()
    yield from sure_on_every_way(of_the_text, [run for part in parts for run in part.runs])
    for advisory in advisories():
        if advisory.match.get("about") == "pins":
            yield from match_pins(project, advisory, assumed)
        if advisory.match.get("about") == "retired":
            yield from match_retired(project, advisory, assumed, target)


class _OfEachPlace:
    """For each rule and place one finding, the surest: reported, or suppressed."""

    def __init__(self, choices: Choices, workspace: Workspace, ignores: Ignores) -> None:
        self.choices = choices
        self.workspace = workspace
        self.ignores = ignores
        self.reported: dict[FindingKey, tuple[Finding, Match]] = {}
        self.suppressed: dict[FindingKey, Suppressed] = {}

    def add(self, finding: Finding, match: Match) -> None:
        """Take a finding up, unless its rule was not asked for or a surer one stands there."""
        path = self.workspace.absolute(finding.span.path)
        verdict = self.choices.verdict(path, finding)
        if verdict == "unasked":
            return
        finding = finding._replace(severity=self.choices.severity(path, finding))
        key = finding.key
        by: SuppressedBy | None = "comment" if self.ignores.covers(match, finding) else None
        if verdict == "configuration":
            by = by or verdict
        if by is not None:
            if key not in self.suppressed or finding.certainty == "definite":
                self.suppressed[key] = Suppressed(finding._replace(fix=None), by)
            return
        old = self.reported.get(key)
        if old is None or (old[0].certainty == "possible" and finding.certainty == "definite"):
            self.reported[key] = (finding, match)


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
        match.impact or advisory.impact,
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


def _not_analysed(project: Project, choices: Choices, out: Found) -> None:
    if not out.not_analysed:
        return
    from dpmigrate.advisories.catalogue import advisories
    from dpmigrate.advisories.matching import of_no_run

    advisory = next(a for a in advisories() if a.match.get("about") == "files")

    for n in out.not_analysed:
        span = Span(n.path, n.line, 1, n.line, 1, n.cell)
        message = advisory.match["message"].format(reason=n.reason)
        _add([of_no_run(advisory, span, message)], choices, project.workspace, out)


def _add(
    matched: Iterable[tuple[Finding, Match]], choices: Choices, workspace: Workspace, out: Found
) -> None:
    """Add findings that no comment speaks of."""
    for finding, match in matched:
        path = workspace.absolute(finding.span.path)
        verdict = choices.verdict(path, finding)
        finding = finding._replace(severity=choices.severity(path, finding))
        if verdict == "reported":
            out.matches.append((finding, match))
        elif verdict == "configuration":
            out.suppressed.append(Suppressed(finding, verdict))


def _too_narrow(choices: Choices, workspace: Workspace, match: Match) -> bool:
    """Whether a match is of a kind that is reported only where its rule was asked for by name."""
    narrow = match.advisory.match.get("only-ghost-unless-selected")
    if match.run is None or not narrow or match.run.ghost:
        return False
    return match.advisory.id not in choices.of(workspace.absolute(match.run.module.path)).asked


def _in_library(project: Project, match: Match) -> bool:
    """Whether a match is in Opacus's own source, which plants in its tests what we look for."""
    program = project.program
    assert program is not None and match.origin is not None
    return program.modules.in_library(match.origin.module.key)


def _is_target(workspace: Workspace, shown: str) -> bool:
    return shown == "-" or workspace.is_target(workspace.absolute(shown))
