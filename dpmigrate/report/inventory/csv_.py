"""``inventory --format csv``: one line for each run (RFC 4180), which no spreadsheet takes for a formula."""

from __future__ import annotations

import csv
import io

from dpmigrate.model import ScanResult
from dpmigrate.report.run_columns import COLUMNS, NOT_APPLICABLE
from dpmigrate.report.style import Style

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a text begins with that spreadsheets would compute."""


def render(result: ScanResult, style: Style) -> str:
    """The runs under a line of titles; what does not apply is empty. Nothing depends on `style`."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(column.title for column in COLUMNS)
    for run in result.runs:
        writer.writerow(_inert(column.words(run), column.number) for column in COLUMNS)
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
