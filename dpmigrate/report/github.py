"""``--format github``: workflow commands, which show as annotations on a pull request's lines."""

from __future__ import annotations

from dpmigrate.model import NOT_ANALYSED, Finding, NotAnalysed, ScanResult, Severity
from dpmigrate.report.layout import clean
from dpmigrate.report.rooted import rooted
from dpmigrate.report.style import Style
from dpmigrate.report.text import where

COMMANDS: dict[Severity, str] = {"error": "error", "warning": "warning", "info": "notice"}


def render(result: ScanResult, style: Style) -> str:
    """One command a line; nothing when there is nothing to report. Nothing depends on `style`.

    Paths are relative to the project's root, where GitHub looks for them. Columns are left out where a
    finding spans several lines, since GitHub refuses them there. A place in a notebook is the line of the
    file, and the cell is put into the message.
    """
    result = rooted(result)
    lines = [_annotation(finding, result) for finding in sorted(result.findings, key=lambda f: f.sort_key)]
    named = {(f.span.path, f.span.cell) for f in result.findings if f.rule == NOT_ANALYSED}
    lines += [_failure(item, result) for item in result.not_analysed if (item.path, item.cell) not in named]
    return "".join(f"{line}\n" for line in lines)


def _annotation(finding: Finding, result: ScanResult) -> str:
    span = finding.span
    properties: dict[str, object] = {
        "file": span.path,
        "line": result.file_line(span.path, span.cell, span.line),
        "endLine": result.file_line(span.path, span.cell, span.end_line),
    }
    message = finding.message
    if span.cell is None:
        if span.end_line == span.line:
            properties |= {"col": span.column, "endColumn": span.end_column}
    else:
        message = f"{where(span.path, span.cell, span.line)}: {message}"
    properties["title"] = f"{finding.rule} {finding.name}"
    parts = [message if finding.certainty == "definite" else f"{message} (possible)"]
    parts += [f"because {where(p.path, p.cell, p.line)}: {p.text}" for p in finding.because]
    if finding.fix is not None:
        parts.append(f"fix [{finding.fix.applicability}]: {finding.fix.summary}")
    elif finding.by_hand:
        parts.append(f"by hand: {finding.by_hand}")
    return _command(COMMANDS[finding.severity], properties, "\n".join(map(clean, parts)))


def _failure(item: NotAnalysed, result: ScanResult) -> str:
    properties: dict[str, object] = {
        "file": item.path,
        "line": result.file_line(item.path, item.cell, item.line),
        "title": "not analysed",
    }
    return _command("warning", properties, clean(item.reason))


def _command(name: str, properties: dict[str, object], message: str) -> str:
    """``::name key=value,..::message`` with what has a meaning there escaped."""
    listed = ",".join(f"{key}={_property(str(value))}" for key, value in properties.items())
    return f"::{name} {listed}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(clean(text)).replace(":", "%3A").replace(",", "%2C")
