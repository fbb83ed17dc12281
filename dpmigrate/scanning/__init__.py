"""``dpmigrate scan``: a project surveyed, its groups of modules analysed and judged on every core."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from dpmigrate.advisories.findings import check_rules, findings_of
from dpmigrate.model import Certainty, Finding, NotAnalysed, ScanResult
from dpmigrate.project import Project
from dpmigrate.project.opening import analyse_groups, groups, paused_collector, survey
from dpmigrate.scanning.shares import Share, judge_shared, usable_cores
from dpmigrate.workspace.discover import discover
from dpmigrate.workspace.settings import Settings, given_settings

if TYPE_CHECKING:
    from pathlib import Path

    from dpmigrate.analysis.components import Group
    from dpmigrate.scanning.baseline import Entry


def scan(
    paths: Sequence[str | Path] = (".",),
    *,
    select: Collection[str] = (),
    ignore: Collection[str] = (),
    opacus: str | None = None,
    min_certainty: Certainty = "possible",
    jobs: int | None = None,
    stdin: bytes | None = None,
    cwd: str | Path | None = None,
    exclude: Sequence[str] = (),
    exclude_base: str | Path | None = None,
    settings: Settings | None = None,
    baseline: Sequence[Entry] = (),
    diff_base: str | None = None,
    stdin_filename: str | None = None,
) -> ScanResult:
    """Find faulty ghost clipping below some paths, without running any of the code.

    ``select`` and ``ignore`` hold ids, prefixes or names of rules; ``opacus`` overrides what the
    project's own files say of its Opacus version (PEP 440). ``stdin`` is one Python file to scan instead
    of paths. ``exclude`` holds patterns in gitignore syntax, relative to ``exclude_base`` (default:
    ``cwd``). With ``stdin_filename`` it stands for that file of its project, be it there yet or not.
    ``settings`` stand for all of these but ``stdin``, and have each file's own configuration
    read, which is not done otherwise. ``baseline`` are findings that are known and not reported;
    with ``diff_base``, a git revision, only what stands on lines that have changed since is. Raises
    UsageError for a path that does not exist and a wrong option.
    """
    options = settings or given_settings(cwd, select, ignore, opacus, min_certainty, exclude, exclude_base)
    if stdin is not None and stdin_filename is not None:
        workspace = discover([stdin_filename], options, unsaved=stdin_filename)
        project, stdin = survey(workspace, overlay={workspace.target_files[0]: stdin}), None
    else:
        workspace = discover([] if stdin is not None else list(paths), options)
        project = survey(workspace, stdin)
    check_rules(options)
    with paused_collector():
        if project.seeds:
            cores = jobs or workspace.config.jobs or usable_cores()
            found = judge_shared(project, groups(project), cores, _share)
        else:
            found = _share(project, ())
    result = ScanResult(
        root=workspace.display(workspace.root),
        files_seen=project.seen,
        files_analysed=len(found.analysed),
        not_analysed=tuple(sorted(found.not_analysed, key=lambda n: (n.path, n.cell or 0, n.line))),
        cut_short=tuple(sorted(found.cut_short)),
        warnings=() if stdin is not None else workspace.warnings,
        runs=tuple(found.runs),
        findings=tuple(found.findings),
        suppressed=tuple(found.suppressed),
        lines=found.lines,
        file_lines=found.file_lines,
        empty=stdin is None and not workspace.not_analysed and not workspace.names_any,
        cwd=workspace.cwd.replace(os.sep, "/"),
    )
    if result.findings or result.suppressed or baseline or diff_base is not None:
        from dpmigrate.scanning.sifting import sifted

        result = sifted(result, workspace, baseline, diff_base)
    return result._replace(findings=tuple(_offered(project, result)))


def _offered(project: Project, result: ScanResult) -> Sequence[Finding]:
    """The findings with the fixes that are really made of this tree."""
    if all(f.fix is None for f in result.findings):
        return result.findings
    if "-" in project.seeds:
        return [f._replace(fix=None) for f in result.findings]  # there is no file to mend
    from dpmigrate.fixing.offers import with_offers

    with paused_collector():
        return with_offers(result.findings, result.runs, project)


def _share(project: Project, chosen: Sequence[Group]) -> Share:
    """Analyse some groups of modules of a surveyed project, and match every advisory on them."""
    if chosen:
        analyse_groups(project, chosen)
    found = findings_of(project)
    suppressed = sorted(found.suppressed, key=lambda s: s.finding.sort_key)
    places = _places([*found.findings, *(s.finding for s in suppressed)], found.not_analysed)
    return Share(
        found.runs,
        found.findings,
        suppressed,
        found.not_analysed,
        frozenset(project.modules),
        tuple(project.cut_short),
        found.used_ignores,
        found.unused_ignores,
        {place: lines for place in places if (lines := project.lines(*place))},
        {
            (path, cell): numbers
            for path, cell in places
            if cell is not None and (numbers := project.file_lines(path, cell))
        },
    )


def _places(findings: Iterable[Finding], broken: Iterable[NotAnalysed]) -> list[tuple[str, int | None]]:
    """Every file or cell that a finding, a reason, or a fault of a file names."""
    wanted = {(f.span.path, f.span.cell) for f in findings}
    wanted |= {(place.path, place.cell) for f in findings for place in f.because}
    wanted |= {(n.path, n.cell) for n in broken if n.cell is not None}
    return sorted(wanted, key=lambda w: (w[0], -1 if w[1] is None else w[1]))
