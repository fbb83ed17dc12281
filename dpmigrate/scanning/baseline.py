"""A baseline: the findings of a day, written to a file, so that later scans report only what is new."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from dpmigrate import __version__
from dpmigrate.advisories.fingerprints import fingerprints
from dpmigrate.model import NOT_ANALYSED, Finding, ScanResult, Suppressed
from dpmigrate.workspace.errors import UsageError
from dpmigrate.workspace.reading import read_named, reason_of

SCHEMA = 1


class BaselineEntry(NamedTuple):
    """A finding of the baseline; ``path`` is relative to the project's root."""

    path: str
    rule: str
    fingerprint: str
    message: str

    def __str__(self) -> str:
        """How it is named to a person."""
        return f"{self.path}: {self.rule} {self.message}"


def baseline_text(result: ScanResult) -> str:
    """What is reported now, and what a baseline keeps back already, as the text of a baseline.

    A file that could not be analysed is in none: what it holds is not known. No line numbers, so that the
    text changes only with the findings.
    """
    prints = fingerprints(result)
    kept_back = [s.finding for s in result.suppressed if s.by == "baseline"]
    entries = sorted(
        BaselineEntry(result.from_root(f.span.path), f.rule, prints[f.key], f.message)
        for f in (*result.findings, *kept_back)
        if f.rule != NOT_ANALYSED
    )
    document = {
        "schema": SCHEMA,
        "dpmigrate": __version__,
        "findings": [entry._asdict() for entry in entries],
    }
    return json.dumps(document, indent=2) + "\n"


def read_baseline(path: str, shown: str) -> tuple[BaselineEntry, ...]:
    """The entries of the file at ``path``. Raises UsageError, naming it as ``shown``, for no baseline."""
    try:
        document = json.loads(read_named(path))
    except OSError as error:
        raise UsageError(f"--baseline: {shown} {reason_of(error)}.") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"--baseline: {shown} is no JSON, so no baseline.") from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise UsageError(f"--baseline: {shown} is no baseline that this dpmigrate can read.")
    rows = document.get("findings")
    if not isinstance(rows, list) or not all(map(_is_entry, rows)):
        raise UsageError(f"--baseline: {shown} is damaged: write it anew with --write-baseline.")
    return tuple(BaselineEntry(**{name: row[name] for name in BaselineEntry._fields}) for row in rows)


def _is_entry(row: Any) -> bool:
    return isinstance(row, dict) and all(isinstance(row.get(name), str) for name in BaselineEntry._fields)


def hold_against(
    result: ScanResult, entries: Iterable[BaselineEntry], looked_for: Callable[[BaselineEntry], bool]
) -> ScanResult:
    """The result without the findings of a baseline, which are suppressed, and with what is gone of it.

    ``looked_for`` says whether the scan would have reported an entry if it were there still.
    """
    by_print = {entry.fingerprint: entry for entry in entries}
    prints = fingerprints(result)

    def is_known(finding: Finding) -> bool:
        return finding.rule != NOT_ANALYSED and prints[finding.key] in by_print

    kept_back = [finding for finding in result.findings if is_known(finding)]
    there = {prints[f.key] for f in (*result.findings, *(s.finding for s in result.suppressed))}
    gone = [e for e in by_print.values() if e.fingerprint not in there and looked_for(e)]
    suppressed = [
        *result.suppressed,
        *(Suppressed(finding._replace(fix=None), "baseline") for finding in kept_back),
    ]
    return result._replace(
        findings=tuple(f for f in result.findings if not is_known(f)),
        suppressed=tuple(sorted(suppressed, key=lambda s: s.finding.sort_key)),
        gone=tuple(sorted(str(entry) for entry in gone)),
    )
