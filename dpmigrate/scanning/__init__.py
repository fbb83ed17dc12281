"""``dpmigrate scan``: a project surveyed, its groups of modules analysed and judged on every core."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from dpmigrate.advisories.findings import findings_of
from dpmigrate.model import Certainty, Finding, ScanResult
from dpmigrate.project import Project
from dpmigrate.project.opening import analyse_groups, groups, paused_collector, survey
from dpmigrate.scanning.shares import Share, judge_shared, usable_cores
from dpmigrate.workspace.discover import discover

if TYPE_CHECKING:
    from pathlib import Path

    from dpmigrate.analysis.components import Group


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
) -> ScanResult:
    """Find faulty ghost clipping below some paths, without running any of the code.

    ``select`` and ``ignore`` hold rule ids; ``opacus`` overrides what the project's own files
    say of its Opacus version (PEP 440). ``stdin`` is one Python file to scan instead of paths.
    ``exclude`` holds patterns in gitignore syntax, relative to ``exclude_base`` (default: ``cwd``).
    Raises UsageError for a path that does not exist, ValueError for a wrong specifier.
    """
    here = os.getcwd() if cwd is None else cwd  # noqa: PTH109 - pathlib is slow to import
    named = [] if stdin is not None else list(paths)
    workspace = discover(named, here, exclude, exclude_base)
    project = survey(workspace, stdin)
    judge = partial(_share, select=select, ignore=ignore, opacus=opacus, min_certainty=min_certainty)
    with paused_collector():
        if project.seeds:
            found = judge_shared(project, groups(project), jobs or usable_cores(), judge)
        else:
            found = judge(project, ())
        findings = _offered(project, found, select=select, ignore=ignore, opacus=opacus)
    return ScanResult(
        root=workspace.display(workspace.root),
        files_seen=project.seen,
        files_analysed=len(found.analysed),
        not_analysed=tuple(sorted(found.not_analysed, key=lambda n: (n.path, n.cell or 0, n.line))),
        cut_short=tuple(sorted(found.cut_short)),
        warnings=() if stdin is not None else workspace.warnings,
        runs=tuple(found.runs),
        findings=tuple(findings),
        lines=found.lines,
    )


def _offered(project: Project, found: Share, **options: Any) -> list[Finding]:
    """The findings with the fixes that are really made of this tree."""
    if all(f.fix is None for f in found.findings):
        return found.findings
    if "-" in project.seeds:
        return [f._replace(fix=None) for f in found.findings]  # there is no file to mend
    from dpmigrate.fixing.offers import with_offers

    return with_offers(found.findings, found.runs, project, **options)


def _share(project: Project, chosen: Sequence[Group], *, min_certainty: Certainty, **options: Any) -> Share:
    """Analyse some groups of modules of a surveyed project, and match every advisory on them."""
    if chosen:
        analyse_groups(project, chosen)
    found = findings_of(project, **options)
    kept = [f for f in found.findings if min_certainty == "possible" or f.certainty == "definite"]
    return Share(
        found.runs,
        kept,
        found.not_analysed,
        frozenset(project.modules),
        tuple(project.cut_short),
        found.used_ignores,
        found.unused_ignores,
        dict(_frames(project, kept)),
    )


def _frames(
    project: Project, findings: list[Finding]
) -> Iterator[tuple[tuple[str, int | None], tuple[str, ...]]]:
    """The lines of every file or cell that a finding or a reason names."""
    wanted = {(f.span.path, f.span.cell) for f in findings}
    wanted |= {(p.path, p.cell) for f in findings for p in f.because}
    for path, cell in sorted(wanted, key=lambda w: (w[0], -1 if w[1] is None else w[1])):
        if lines := project.lines(path, cell):
            yield (path, cell), lines
