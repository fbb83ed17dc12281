"""``inventory --format markdown``: a table for a model card or a pull request."""

from __future__ import annotations

import re

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
        _row([column.title for column in COLUMNS]),
        _row(["--:" if column.number else "---" for column in COLUMNS]),
        *(_row([_plain(column.words(run)) for column in COLUMNS]) for run in result.runs),
    ]
    return "\n".join(lines) + "\n"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    return _SPECIAL.sub(lambda match: f"\\{match[0]}", text)
