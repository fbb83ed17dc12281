"""``--format sarif``: SARIF 2.1.0, for code scanning and editors."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from urllib.parse import quote

from dpmigrate import __version__
from dpmigrate.advisories.catalogue import Advisory, advisories
from dpmigrate.model import Finding, NotAnalysed, Place, ScanResult
from dpmigrate.report.style import Style
from dpmigrate.report.text import where

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {"error": "error", "warning": "warning", "info": "note"}
ROOT = "SRCROOT"


def render(result: ScanResult, style: Style) -> str:
    """`result` as one SARIF log with one run, in ASCII. Nothing depends on `style`.

    Every advisory is listed as a rule, so that a result refers to it by number. Columns count Unicode
    code points.
    """
    rules = advisories()
    position = {item.id: i for i, item in enumerate(rules)}
    findings = sorted(result.findings, key=lambda f: f.sort_key)
    log = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "dpmigrate",
                        "semanticVersion": __version__,
                        "rules": [_rule(item) for item in rules],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "originalUriBaseIds": {ROOT: {"description": {"text": "The folder that was scanned from."}}},
                "invocations": [
                    {
                        "executionSuccessful": not result.not_analysed,
                        "toolExecutionNotifications": [_notification(item) for item in result.not_analysed],
                    }
                ],
                "results": _results(findings, result, position),
                "properties": {
                    "filesSeen": result.files_seen,
                    "filesAnalysed": result.files_analysed,
                    "privateTrainingRuns": len(result.runs),
                },
            }
        ],
    }
    return json.dumps(log, indent=2, allow_nan=False) + "\n"


def _results(findings: list[Finding], result: ScanResult, position: dict[str, int]) -> list[dict[str, Any]]:
    """The findings, each with a fingerprint that outlives a change of line numbers."""
    seen: dict[str, int] = {}
    out = []
    for finding in findings:
        code = _code(finding, result)
        content = "\0".join((finding.rule, finding.span.path, code))
        again = seen[content] = seen.get(content, 0) + 1
        digest = hashlib.sha256(f"{content}\0{again}".encode("utf-8", "surrogatepass")).hexdigest()
        out.append(_result(finding, position, digest))
    return out


def _result(finding: Finding, position: dict[str, int], fingerprint: str) -> dict[str, Any]:
    span = finding.span
    region = {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
    }
    text = (
        finding.message
        if span.cell is None
        else f"{where(span.path, span.cell, span.line)}: {finding.message}"
    )
    answer: dict[str, Any] = {"ruleId": finding.rule}
    if finding.rule in position:
        answer["ruleIndex"] = position[finding.rule]
    answer |= {
        "level": LEVELS[finding.severity],
        "message": {"text": text},
        "locations": [_location(span.path, span.cell, region)],
        "partialFingerprints": {"dpmigrate/v1": fingerprint},
        "properties": {
            "certainty": finding.certainty,
            "impact": finding.impact,
            "fix": None
            if finding.fix is None
            else {"applicability": finding.fix.applicability, "summary": finding.fix.summary},
            "byHand": None if finding.fix is not None else finding.by_hand,
        },
    }
    if finding.because:
        answer["relatedLocations"] = [_related(i, reason) for i, reason in enumerate(finding.because)]
    return answer


def _location(path: str, cell: int | None, region: dict[str, int]) -> dict[str, Any]:
    """A place. In a notebook it is the cell: the file's own lines are lines of JSON."""
    artifact = {"uri": quote(path, errors="surrogateescape"), "uriBaseId": ROOT}
    if cell is None:
        return {"physicalLocation": {"artifactLocation": artifact, "region": region}}
    return {
        "physicalLocation": {"artifactLocation": artifact},
        "logicalLocations": [
            {"name": f"cell {cell + 1}", "fullyQualifiedName": f"cell {cell + 1} line {region['startLine']}"}
        ],
    }


def _related(number: int, reason: Place) -> dict[str, Any]:
    location = _location(reason.path, reason.cell, {"startLine": reason.line})
    return {"id": number, **location, "message": {"text": reason.text or "see here"}}


def _notification(item: NotAnalysed) -> dict[str, Any]:
    return {
        "level": "error",
        "message": {"text": f"not analysed: {item.reason}"},
        "locations": [_location(item.path, item.cell, {"startLine": max(1, item.line)})],
    }


def _rule(item: Advisory) -> dict[str, Any]:
    """The metadata of one advisory; tags and precision are what code scanning filters by."""
    tags = ["differential-privacy", item.impact]
    properties: dict[str, Any] = {"precision": "high", "problem.severity": _problem(item), "tags": tags}
    return {
        "id": item.id,
        "name": item.name,
        "shortDescription": {"text": item.summary},
        "fullDescription": {"text": item.summary},
        "help": {"text": item.body, "markdown": item.body},
        **({"helpUri": item.references[0]} if item.references else {}),
        "defaultConfiguration": {"level": LEVELS[item.severity]},
        "properties": properties,
    }


def _problem(item: Advisory) -> str:
    return "recommendation" if item.severity == "info" else item.severity


def _code(finding: Finding, result: ScanResult) -> str:
    """The line at fault without its indentation; empty where it is not known."""
    lines = result.lines.get((finding.span.path, finding.span.cell), ())
    return lines[finding.span.line - 1].strip() if finding.span.line <= len(lines) else ""
