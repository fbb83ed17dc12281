"""``inventory --format html``: the runs as one self-contained page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from dpmigrate.model import ScanResult
from dpmigrate.report.html.page import counts, html_document
from dpmigrate.report.html.runs import runs_table
from dpmigrate.report.style import Style


def render(result: ScanResult, style: Style) -> str:
    """The runs of `result` as a page for people. Nothing depends on `style`."""
    return html_document("dpmigrate inventory", _body(result))


def _body(result: ScanResult) -> Iterator[str]:
    ghost = Counter(any(mode.startswith("ghost") for mode in run.mode) for run in result.runs)
    yield "<header><h1>Private training runs and what each is asked for</h1>"
    yield counts(
        [
            ("private training runs", len(result.runs), ""),
            ("in ghost mode, or perhaps", ghost[True], ""),
            ("files analysed", result.files_analysed, ""),
            ("files not analysed", len({item.path for item in result.not_analysed}), "warning"),
        ]
    )
    yield (
        '<p class="soft">Sigma is the noise multiplier, C the norm that gradients are clipped at. A question '
        "mark stands for what only the run knows.</p></header>"
    )
    yield f"<main>{runs_table(result.runs)}</main>"
