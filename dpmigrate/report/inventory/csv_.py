"""``inventory --format csv``: one line for each run (RFC 4180), which no spreadsheet takes for a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from dpmigrate.model import ScanResult
from dpmigrate.report.run_columns import COLUMNS, NOT_APPLICABLE
from dpmigrate.report.style import Style

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a text begins with that spreadsheets would compute."""


def render(result: ScanResult, style: Style) -> str:
    """The runs under a line of titles; what does not apply is empty. Nothing depends on `style`."""
    rows = [[_inert(column.words(run), column.number) for column in COLUMNS] for run in result.runs]
    return _written([[column.title for column in COLUMNS], *rows])


def lines_of(rows: Iterable[Iterable[str]]) -> str:
    """Rows of texts."""
    return _written([_inert(cell, True) for cell in row] for row in rows)


def _written(rows: Iterable[Iterable[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue()


def _inert(text: str, number: bool) -> str:
    """A cell that is only looked at: an apostrophe before what would be a formula."""
    if text == NOT_APPLICABLE:
        return ""
    if number:
        try:
            float(text)
        except ValueError:
            pass
        else:
            return text
    return f"'{text}" if text.startswith(_FORMULA) else text
