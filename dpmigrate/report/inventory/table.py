"""``inventory --format table``: a row for each run, or a block for each where rows would not fit."""

from __future__ import annotations

from collections.abc import Iterator

from dpmigrate.model import ScanResult
from dpmigrate.report.layout import plural, width_of
from dpmigrate.report.run_columns import COLUMNS, NOT_APPLICABLE, Column
from dpmigrate.report.style import Style

GAP = "  "


def render(result: ScanResult, style: Style) -> str:
    """The runs in columns. A column that applies to no run is left out."""
    if not result.runs:
        return "No private training run\n"
    rows = [[column.words(run) for column in COLUMNS] for run in result.runs]
    used = [i for i in range(len(COLUMNS)) if any(row[i] != NOT_APPLICABLE for row in rows)]
    columns = [COLUMNS[i] for i in used]
    rows = [[row[i] for i in used] for row in rows]
    widths = [
        max(width_of(text) for text in (column.title, *(row[i] for row in rows)))
        for i, column in enumerate(columns)
    ]
    wide = sum(widths) + len(GAP) * (len(widths) - 1)
    fits = style.width is None or wide <= style.width
    lines = _in_rows(columns, rows, widths, style) if fits else _in_blocks(columns, rows, style)
    return "\n".join([*lines, "", plural(len(rows), "private training run")]) + "\n"


def _in_rows(columns: list[Column], rows: list[list[str]], widths: list[int], style: Style) -> Iterator[str]:
    yield style.paint(_line([column.title for column in columns], columns, widths), "bold")
    for row in rows:
        yield _line(row, columns, widths)


def _line(texts: list[str], columns: list[Column], widths: list[int]) -> str:
    padded = []
    for text, column, width in zip(texts, columns, widths, strict=True):
        blanks = " " * (width - width_of(text))
        padded.append(blanks + text if column.number else text + blanks)
    return GAP.join(padded).rstrip()


def _in_blocks(columns: list[Column], rows: list[list[str]], style: Style) -> Iterator[str]:
    broad = max(len(column.title) for column in columns)
    for number, row in enumerate(rows):
        if number:
            yield ""
        yield style.paint(row[0], "bold")
        for column, text in zip(columns[1:], row[1:], strict=True):
            if text != NOT_APPLICABLE:
                yield f"  {column.title:{broad}}  {text}"
