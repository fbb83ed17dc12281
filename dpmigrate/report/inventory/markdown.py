"""``inventory --format markdown``: a table for a model card or a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterable

from dpmigrate.model import ScanResult
from dpmigrate.report.run_columns import COLUMNS
from dpmigrate.report.style import Style

_SPECIAL = re.compile(r"[\\`*_\[\]<>|~&@$]|:(?=//)")
"""What marks something up inside a cell: emphasis, code, links, HTML, mentions, formulas."""


def render(result: ScanResult, style: Style) -> str:
    """The runs as a table in GitHub's Markdown. Nothing depends on `style`."""
    if not result.runs:
        return "No private training run.\n"
    lines = [
        row([column.title for column in COLUMNS]),
        row(["--:" if column.number else "---" for column in COLUMNS]),
        *(row([plain(column.words(run)) for column in COLUMNS]) for run in result.runs),
    ]
    return "\n".join(lines) + "\n"


def row(cells: Iterable[str]) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"


def plain(text: str) -> str:
    """Text that marks nothing up."""
    return _SPECIAL.sub(lambda match: f"\\{match[0]}", text)
