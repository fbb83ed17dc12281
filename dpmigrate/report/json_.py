"""``--format json``: schema 1, the same bytes for the same result."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from dpmigrate import __version__
from dpmigrate.model import Finding, NotAnalysed, Place, Run, ScanResult
from dpmigrate.report.style import Style

SCHEMA = 1


def render(result: ScanResult, style: Style) -> str:
    """`result` as one JSON object in ASCII, indented, ending with a newline. Nothing depends on `style`."""
    return json.dumps(json_document(result), indent=2, allow_nan=False) + "\n"


def json_document(result: ScanResult) -> dict[str, Any]:
    """`result` as the contract's object.

    Runs are put in the order of their places, findings in the contract's, so that the order in which
    they were found does not show.
    """
    order = sorted(range(len(result.runs)), key=lambda i: _run_key(result.runs[i]))
    position = {old: new for new, old in enumerate(order)}
    findings = sorted(result.findings, key=lambda f: f.sort_key)
    suppressed = sorted(result.suppressed, key=lambda held: held.finding.sort_key)
    return {
        "schema": SCHEMA,
        "dpmigrate": __version__,
        "root": result.root,
        "files": {
            "seen": result.files_seen,
            "analysed": result.files_analysed,
            "not_analysed": [
                _not_analysed(item)
                for item in sorted(
                    result.not_analysed, key=lambda n: (n.path, _cell(n.cell), n.line, n.reason)
                )
            ],
            "warnings": [
                {"path": place.path, "line": place.line, "text": place.text} for place in result.warnings
            ],
            "cut_short": [
                {"path": cut.path, "entry": cut.entry, "private": cut.private} for cut in result.cut_short
            ],
            "analysed_paths": sorted(result.analysed),
        },
        "runs": [run_object(result.runs[i]) for i in order],
        "findings": [_finding(finding, position) for finding in findings],
        "suppressed": [{**_finding(held.finding, position), "by": held.by} for held in suppressed],
        "elsewhere": [
            *_elsewhere("finding", findings),
            *_elsewhere("suppressed", [held.finding for held in suppressed]),
        ],
    }


def _elsewhere(kind: str, findings: Sequence[Finding]) -> Iterator[dict[str, Any]]:
    """Where the runs are made that the given paths leave out, by the numbers of their findings."""
    for number, finding in enumerate(findings):
        if finding.run_elsewhere is not None:
            yield {kind: number, **_place(finding.run_elsewhere)}


def _cell(cell: int | None) -> int:
    """A cell number that sorts, files first."""
    return -1 if cell is None else cell


def _run_key(run: Run) -> tuple[object, ...]:
    return (run.path, _cell(run.cell), run.line, run.call, run.mode, repr(run))


def _place(place: Place) -> dict[str, Any]:
    return {"path": place.path, "line": place.line, "cell": place.cell, "text": place.text}


def _not_analysed(item: NotAnalysed) -> dict[str, Any]:
    return {"path": item.path, "line": item.line, "cell": item.cell, "reason": item.reason}


def run_object(run: Run) -> dict[str, Any]:
    """The RUN object of the contract."""
    manager = run.batch_memory_manager
    return {
        "path": run.path,
        "line": run.line,
        "cell": run.cell,
        "call": run.call,
        "mode": sorted(run.mode),
        "mode_certainty": run.mode_certainty,
        "mode_because": [_place(place) for place in run.mode_because],
        "batch_memory_manager": None
        if manager is None
        else {
            "path": manager.path,
            "line": manager.line,
            "cell": manager.cell,
            "kind": manager.kind,
            "certainty": manager.certainty,
        },
        "zero_grad_set_to_none": run.zero_grad_set_to_none,
        "criterion_passed": run.criterion_passed,
        "noise_multiplier": run.noise_multiplier,
        "max_grad_norm": run.max_grad_norm,
        "target_epsilon": run.target_epsilon,
        "target_delta": run.target_delta,
        "epochs": run.epochs,
        "accountant": run.accountant,
        "poisson_sampling": run.poisson_sampling,
        "secure_mode": run.secure_mode,
        "clipping": run.clipping,
        "unpack": sorted(run.unpack),
        "loss": run.loss,
        "noise_generator": run.noise_generator,
        "loader_generator": run.loader_generator,
        "global_seed": run.global_seed,
        "opacus": {"spec": run.opacus.spec, "sources": [_place(place) for place in run.opacus.sources]},
    }


def _finding(finding: Finding, position: dict[int, int]) -> dict[str, Any]:
    span = finding.span
    return {
        "rule": finding.rule,
        "name": finding.name,
        "path": span.path,
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
        "cell": span.cell,
        "severity": finding.severity,
        "impact": finding.impact,
        "certainty": finding.certainty,
        "message": finding.message,
        "because": [_place(place) for place in finding.because],
        "run": None if finding.run is None else position[finding.run],
        "fix": None
        if finding.fix is None
        else {"applicability": finding.fix.applicability, "summary": finding.fix.summary},
        "by_hand": None if finding.fix is not None else finding.by_hand,
    }
