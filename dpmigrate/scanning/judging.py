"""Some groups of modules analysed, and every advisory matched on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from dpmigrate.advisories.findings import findings_of
from dpmigrate.model import Finding, NotAnalysed
from dpmigrate.project import Project
from dpmigrate.project.opening import analyse_groups
from dpmigrate.scanning.shares import Share

if TYPE_CHECKING:
    from dpmigrate.analysis.source.components import Group


def share_of(project: Project, chosen: Sequence[Group]) -> Share:
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
        project.asked,
        project.program is not None and project.program.is_private,
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
