"""Findings by file: what, where, how sure, the code, the chain of reasons, and what to do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import get_args

from dpmigrate.model import Certainty, Finding, Place, ScanResult, Severity
from dpmigrate.report.frame import Lines, frame_lines, source_line
from dpmigrate.report.html.page import badge, prose, text
from dpmigrate.report.layout import expand, plural
from dpmigrate.report.text import by_place, same_words, where

SEVERITIES: tuple[Severity, ...] = get_args(Severity)
CERTAINTIES: tuple[Certainty, ...] = get_args(Certainty)


def files(result: ScanResult) -> Iterator[str]:
    """A part that can be folded for each file with findings."""
    ordered = sorted(result.findings, key=lambda f: f.sort_key)
    for path, group in groupby(ordered, key=lambda f: f.span.path):
        held = list(group)
        levels = Counter(f.severity for f in held)
        said = ", ".join(plural(levels[s], s, s + "s" * (s != "info")) for s in SEVERITIES if levels[s])
        yield (
            f'<details class="file" open><summary><span role="heading" aria-level="3">{text(path)}</span> '
            f'<span class="soft">{said}</span></summary>'
        )
        yield from (_finding(finding, result.lines) for finding in held)
        yield "</details>"


def filters(result: ScanResult) -> str:
    """The form that narrows the findings; it stays hidden where no script runs."""
    rules = sorted({(f.rule, f.name) for f in result.findings})
    options = "".join(
        f'<option value="{text(rule)}">{text(f"{rule} {name}")}</option>' for rule, name in rules
    )
    return (
        '<form id="filters" hidden aria-label="Filter the findings">'
        + _choices("severity", "Severity", SEVERITIES)
        + _choices("certainty", "Certainty", CERTAINTIES)
        + '<label class="field"><span class="label">Rule</span><select name="rule">'
        f'<option value="">All rules</option>{options}</select></label>'
        '<label class="field"><span class="label">Text (press /)</span>'
        '<input type="search" name="text" autocomplete="off"></label>'
        '<button type="reset">Show all</button><button type="button" id="fold">Fold or unfold files</button>'
        '<output aria-live="polite"></output></form>'
    )


def _choices(name: str, legend: str, values: tuple[str, ...]) -> str:
    boxes = "".join(
        f'<label class="choice"><input type="checkbox" name="{name}" value="{value}" checked>{value}</label>'
        for value in values
    )
    return f"<fieldset><legend>{legend}</legend>{boxes}</fieldset>"


def _finding(finding: Finding, lines: Lines) -> str:
    span = finding.span
    place = where(span.path, span.cell, span.line, span.column)
    parts = [
        f'<article data-rule="{text(finding.rule)}" data-severity="{finding.severity}" '
        f'data-certainty="{finding.certainty}" data-path="{text(span.path)}">',
        f"<header><h4>{text(finding.rule)} <span>{text(finding.name)}</span></h4>",
        badge(finding.severity, finding.severity) + badge(finding.certainty) + badge(finding.impact),
        f"<code>{text(place)}</code></header>",
        f'<p class="message">{prose(finding.message)}</p>',
        _frame(finding, lines),
        _because(finding.because, lines),
        _advice(finding),
        "</article>",
    ]
    return "\n".join(filter(None, parts))


def _frame(finding: Finding, lines: Lines) -> str:
    """The lines around the fault, those at fault marked."""
    span = finding.span
    numbers = frame_lines(span, lines)
    if not numbers:
        return ""
    source = lines[span.path, span.cell]
    rows = "".join(
        _line(number, source[number - 1], span.line <= number <= span.end_line) for number in numbers
    )
    label = text(f"Code at {where(span.path, span.cell, span.line)}")
    return f'<pre class="frame" tabindex="0" role="region" aria-label="{label}"><code>{rows}</code></pre>'


def _line(number: int, code: str, at_fault: bool) -> str:
    return (
        f'<span class="line{" at" * at_fault}"><span class="number">{number}</span>'
        f"{text(expand(code.rstrip())[0])}</span>"
    )


def _because(places: tuple[Place, ...], lines: Lines) -> str:
    if not places:
        return ""
    items = []
    for place in by_place(places):
        code = source_line(place.path, place.cell, place.line, lines)
        said = f": {prose(place.text)}" if place.text else ""
        shown = ""
        if code and not same_words(code, place.text):
            shown = f'<code class="source">{text(code)}</code>'
        items.append(f"<li><code>{text(where(place.path, place.cell, place.line))}</code>{said}{shown}</li>")
    return f'<dl><dt>Because</dt><dd><ol class="because">{"".join(items)}</ol></dd></dl>'


def _advice(finding: Finding) -> str:
    """The fix on offer, or where to read what to do."""
    if finding.fix is not None:
        kind = "good" if finding.fix.applicability == "safe" else "warning"
        said = f"{badge(finding.fix.applicability, kind)} {prose(finding.fix.summary)}"
    elif finding.by_hand:
        return f"<dl><dt>By hand</dt><dd>{prose(finding.by_hand)}</dd></dl>"
    else:
        said = f"None is made for it; <code>dpmigrate explain {text(finding.rule)}</code> says what to do."
    return f"<dl><dt>Fix</dt><dd>{said}</dd></dl>"
