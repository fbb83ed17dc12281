"""Reports of parts of one repository, joined to the report of all of it."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from dpmigrate.model import Finding, Place, Run, ScanResult, Suppressed


def merged(parts: Sequence[ScanResult]) -> ScanResult:
    """What one scan of all the parts together finds, where they were scanned from one folder.

    Source lines come from no report. Of findings that several parts have, because they overlap, one is
    kept; a finding whose run is in another part gets it from there.
    """
    runs = sorted(dict.fromkeys(run for part in parts for run in part.runs), key=_order)
    places = {_place(run): number for number, run in reversed(list(enumerate(runs)))}

    def placed(part: ScanResult, finding: Finding) -> Finding:
        made_at = finding.run_elsewhere if finding.run is None else _place(part.runs[finding.run])
        number = None if made_at is None else places.get(made_at)
        return finding._replace(run=number, run_elsewhere=made_at if number is None else None)

    findings = dict.fromkeys(placed(part, finding) for part in parts for finding in part.findings)
    suppressed = dict.fromkeys(
        Suppressed(placed(part, held.finding), held.by) for part in parts for held in part.suppressed
    )
    analysed = sorted({path for part in parts for path in part.analysed})
    return ScanResult(
        root=_above([part.root for part in parts]),
        files_seen=_seen(parts),
        files_analysed=len(analysed),
        not_analysed=tuple(dict.fromkeys(item for part in parts for item in part.not_analysed)),
        cut_short=tuple(sorted({cut for part in parts for cut in part.cut_short})),
        warnings=tuple(sorted({place for part in parts for place in part.warnings}, key=repr)),
        runs=tuple(runs),
        findings=tuple(sorted(findings, key=lambda f: f.sort_key)),
        suppressed=tuple(sorted(suppressed, key=lambda held: held.finding.sort_key)),
        analysed=tuple(analysed),
    )


def _order(run: Run) -> tuple[str, int, int]:
    return (run.path, -1 if run.cell is None else run.cell, run.line)


def _place(run: Run) -> Place:
    return Place(run.path, run.line, run.call, run.cell)


def _above(roots: Sequence[str]) -> str:
    """The folder that holds all of the roots, shown as they are: relative to one folder that nobody names."""
    depth = max(root.split("/").count("..") for root in roots)
    here = "/" + "/".join(f"up{level}" for level in range(depth))
    return posixpath.relpath(
        posixpath.commonpath([posixpath.normpath(posixpath.join(here, root)) for root in roots]), here
    )


def _seen(parts: Sequence[ScanResult]) -> int:
    """Files looked at: every scan looks at its whole project, so parts of one project count once."""
    return sum({part.root: part.files_seen for part in parts}.values())
