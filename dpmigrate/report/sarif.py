"""``--format sarif``: SARIF 2.1.0, for code scanning and editors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from dpmigrate import __version__
from dpmigrate.advisories.catalogue import Advisory, advisories
from dpmigrate.advisories.fingerprints import fingerprints
from dpmigrate.model import Finding, FindingKey, NotAnalysed, Place, ScanResult, SuppressedBy
from dpmigrate.report.rooted import rooted
from dpmigrate.report.style import Style
from dpmigrate.report.text import where

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {"error": "error", "warning": "warning", "info": "note"}
ROOT = "SRCROOT"


def render(result: ScanResult, style: Style) -> str:
    """`result` as one SARIF log with one run, in ASCII. Nothing depends on `style`.

    The advisories of its results are listed as rules, each text once, so that a result refers to its rule by
    number. Paths are relative to the project's root, lines those of the files, columns count Unicode code
    points.
    """
    result = rooted(result)
    held: dict[FindingKey, SuppressedBy | None] = {s.finding.key: s.by for s in result.suppressed}
    ordered = sorted((*result.findings, *(s.finding for s in result.suppressed)), key=lambda f: f.sort_key)
    named = {finding.rule for finding in ordered}
    rules = [item for item in advisories() if item.id in named]
    position = {item.id: i for i, item in enumerate(rules)}
    prints = fingerprints(result)
    run = {
        "tool": {"driver": _driver(rules)},
        "automationDetails": {"id": "dpmigrate/"},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {ROOT: {"description": {"text": "The root of the repository."}}},
        "invocations": [_invocation(result)],
        "results": [
            _result(finding, result, position, prints[finding.key], held.get(finding.key))
            for finding in ordered
        ],
        "properties": {
            "filesSeen": result.files_seen,
            "filesAnalysed": result.files_analysed,
            "privateTrainingRuns": len(result.runs),
        },
    }
    return (
        json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, allow_nan=False) + "\n"
    )


def _driver(rules: Sequence[Advisory]) -> dict[str, Any]:
    return {
        "name": "dpmigrate",
        "fullName": f"dpmigrate {__version__}: privacy faults in Opacus training code",
        "semanticVersion": __version__,
        "rules": [_rule(item) for item in rules],
    }


def _invocation(result: ScanResult) -> dict[str, Any]:
    return {
        "executionSuccessful": not result.not_analysed,
        "toolExecutionNotifications": [_notification(item, result) for item in result.not_analysed],
    }


def _result(
    finding: Finding,
    result: ScanResult,
    position: dict[str, int],
    fingerprint: str,
    suppressed_by: SuppressedBy | None,
) -> dict[str, Any]:
    span = finding.span
    text = finding.message
    if span.cell is None:
        region = {
            "startLine": span.line,
            "startColumn": span.column,
            "endLine": span.end_line,
            "endColumn": span.end_column,
        }
    else:
        text = f"{where(span.path, span.cell, span.line)}: {text}"
        region = {
            "startLine": result.file_line(span.path, span.cell, span.line),
            "endLine": result.file_line(span.path, span.cell, span.end_line),
        }
    answer: dict[str, Any] = {"ruleId": finding.rule}
    if finding.rule in position:
        answer["ruleIndex"] = position[finding.rule]
    answer |= {
        "level": LEVELS[finding.severity],
        "message": {"text": text},
        "locations": [_location(result, span.path, span.cell, span.line, region)],
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
        answer["relatedLocations"] = [_related(result, i, reason) for i, reason in enumerate(finding.because)]
    if suppressed_by is not None:
        kind = "inSource" if suppressed_by == "comment" else "external"
        answer["suppressions"] = [{"kind": kind, "justification": f"suppressed by {suppressed_by}"}]
    return answer


def _location(
    result: ScanResult, path: str, cell: int | None, line: int, region: dict[str, int]
) -> dict[str, Any]:
    """A place, with its cell in a notebook; ``line`` counts as reports do, ``region`` as the file."""
    uri = quote(path, errors="surrogateescape")
    place: dict[str, Any] = {
        "physicalLocation": {"artifactLocation": {"uri": uri, "uriBaseId": ROOT}, "region": region}
    }
    if cell is not None:
        name = f"cell {cell + 1}"
        place["logicalLocations"] = [{"name": name, "fullyQualifiedName": f"{name} line {line}"}]
    return place


def _related(result: ScanResult, number: int, reason: Place) -> dict[str, Any]:
    region = {"startLine": result.file_line(reason.path, reason.cell, reason.line)}
    location = _location(result, reason.path, reason.cell, reason.line, region)
    return {"id": number, **location, "message": {"text": reason.text or "see here"}}


def _notification(item: NotAnalysed, result: ScanResult) -> dict[str, Any]:
    region = {"startLine": result.file_line(item.path, item.cell, item.line)}
    return {
        "level": "error",
        "message": {"text": f"not analysed: {item.reason}"},
        "locations": [_location(result, item.path, item.cell, item.line, region)],
    }


def _rule(item: Advisory) -> dict[str, Any]:
    """The metadata of one advisory; tags and precision are what code scanning filters by."""
    tags = ["differential-privacy", item.impact]
    properties: dict[str, Any] = {"precision": "high", "problem.severity": _problem(item), "tags": tags}
    return {
        "id": item.id,
        "name": item.name,
        "shortDescription": {"text": item.summary},
        "help": {"text": f"dpmigrate explain {item.id} prints the advisory.", "markdown": item.body},
        **({"helpUri": item.references[0]} if item.references else {}),
        "defaultConfiguration": {"level": LEVELS[item.severity]},
        "properties": properties,
    }


def _problem(item: Advisory) -> str:
    return "recommendation" if item.severity == "info" else item.severity
