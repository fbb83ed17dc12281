"""``--format concise``: one line for each finding, ``path:line:column: rule message``, as editors jump to."""

from __future__ import annotations

from collections.abc import Iterator

from dpmigrate.model import NOT_ANALYSED, ScanResult
from dpmigrate.report.layout import clean
from dpmigrate.report.style import Style


def render(result: ScanResult, style: Style) -> str:
    """The findings of `result`, and nothing else. Nothing depends on `style`.

    A place in a notebook has its cell, counted from 1, between the path and the line.
    """
    return "".join(f"{line}\n" for line in _lines(result))


def _lines(result: ScanResult) -> Iterator[str]:
    for finding in sorted(result.findings, key=lambda f: f.sort_key):
        span = finding.span
        at = _place(span.path, span.cell, span.line, span.column)
        maybe = " (possible)" if finding.certainty == "possible" else ""
        yield f"{at}: {finding.rule} {clean(finding.message)}{maybe}"
    named = {(f.span.path, f.span.cell) for f in result.findings if f.rule == NOT_ANALYSED}
    for item in result.not_analysed:
        if (item.path, item.cell) not in named:
            yield f"{_place(item.path, item.cell, item.line, 1)}: not analysed: {clean(item.reason)}"


def _place(path: str, cell: int | None, line: int, column: int) -> str:
    inside = "" if cell is None else f"cell {cell + 1}:"
    return clean(f"{path}:{inside}{line}:{column}")
