"""``--format gitlab``: a Code Quality report, which GitLab shows on the lines of a merge request."""

from __future__ import annotations

import json
from typing import Any

from dpmigrate.advisories.fingerprints import fingerprints
from dpmigrate.model import NOT_ANALYSED, Finding, NotAnalysed, ScanResult, Severity
from dpmigrate.report.layout import clean
from dpmigrate.report.rooted import rooted
from dpmigrate.report.style import Style
from dpmigrate.report.text import where

LEVELS: dict[Severity, str] = {"error": "critical", "warning": "major", "info": "info"}
"""The severities of GitLab, which has no impact or certainty."""


def render(result: ScanResult, style: Style) -> str:
    """The findings of `result` as a JSON array in ASCII. Nothing depends on `style`.

    Paths are relative to the project's root, and lines those of the files, also of notebooks.
    """
    result = rooted(result)
    prints = fingerprints(result)
    ordered = sorted(result.findings, key=lambda f: f.sort_key)
    issues = [_issue(finding, result, prints[finding.key]) for finding in ordered]
    named = {(f.span.path, f.span.cell) for f in ordered if f.rule == NOT_ANALYSED}
    issues += [_failure(n, result) for n in result.not_analysed if (n.path, n.cell) not in named]
    return json.dumps(issues, indent=2) + "\n"


def _issue(finding: Finding, result: ScanResult, fingerprint: str) -> dict[str, Any]:
    span = finding.span
    place = "" if span.cell is None else f"{where(span.path, span.cell, span.line)}: "
    maybe = " (possible)" if finding.certainty == "possible" else ""
    return {
        "description": clean(f"{finding.rule}: {place}{finding.message}{maybe}"),
        "check_name": f"{finding.rule} {finding.name}",
        "fingerprint": fingerprint,
        "severity": LEVELS[finding.severity],
        "location": {
            "path": span.path,
            "lines": {
                "begin": result.file_line(span.path, span.cell, span.line),
                "end": result.file_line(span.path, span.cell, span.end_line),
            },
        },
    }


def _failure(item: NotAnalysed, result: ScanResult) -> dict[str, Any]:
    return {
        "description": clean(f"not analysed: {item.reason}"),
        "check_name": NOT_ANALYSED,
        "fingerprint": f"{NOT_ANALYSED} {item.path} {item.cell}",
        "severity": LEVELS["warning"],
        "location": {
            "path": item.path,
            "lines": {"begin": result.file_line(item.path, item.cell, item.line)},
        },
    }
