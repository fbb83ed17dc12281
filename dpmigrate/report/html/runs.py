"""The table of private training runs, which folds into one block for each on a phone."""

from __future__ import annotations

from collections.abc import Sequence

from dpmigrate.model import Run
from dpmigrate.report.html.page import folding, text
from dpmigrate.report.run_columns import COLUMNS, NOT_APPLICABLE


def runs_table(runs: Sequence[Run]) -> str:
    """Every run and what it is asked for; a column that applies to none is left out."""
    if not runs:
        return "<p>No private training run.</p>"
    columns = [c for c in COLUMNS if any(c.words(run) != NOT_APPLICABLE for run in runs)]
    heads = "".join(f'<th scope="col"{_class(c.number)}>{text(c.title)}</th>' for c in columns)
    rows = "\n".join(
        "<tr>"
        + "".join(
            f'<td data-title="{text(c.title)}"{_class(c.number)}>{folding(c.words(run))}</td>'
            for c in columns
        )
        + "</tr>"
        for run in runs
    )
    return (
        '<div class="wide" tabindex="0" role="region" aria-label="Private training runs">'
        f'<table class="stack"><thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>'
    )


def _class(number: bool) -> str:
    return ' class="n"' if number else ""
