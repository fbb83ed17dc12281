"""Fingerprints of findings, which outlive changes of line numbers."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping

from dpmigrate.model import Finding, FindingKey, ScanResult


def fingerprints(result: ScanResult) -> Mapping[FindingKey, str]:
    """A SHA-256 in hexadecimal for every finding of a scan, those that are suppressed included.

    It is made of the rule, the path below the project's root, the first line at fault without regard to
    spaces, and how many findings before it are alike in all that.
    """
    in_order = sorted((*result.findings, *(s.finding for s in result.suppressed)), key=lambda f: f.sort_key)
    alike: Counter[str] = Counter()
    prints: dict[FindingKey, str] = {}
    for finding in in_order:
        content = "\0".join((finding.rule, result.from_root(finding.span.path), _snippet(finding, result)))
        alike[content] += 1
        text = f"{content}\0{alike[content]}"
        prints[finding.key] = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return prints


def _snippet(finding: Finding, result: ScanResult) -> str:
    """The first line at fault, every run of spaces as one; empty where it is not known."""
    span = finding.span
    lines = result.lines.get((span.path, span.cell), ())
    return " ".join(lines[span.line - 1].split()) if span.line <= len(lines) else ""
