"""``inventory --check FILE``: what is not as it was recorded, in each format of the inventory."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from dpmigrate.report.html.page import folding, html_document, text
from dpmigrate.report.inventory.comparing import Difference
from dpmigrate.report.inventory.csv_ import lines_of
from dpmigrate.report.inventory.markdown import plain, row
from dpmigrate.report.text import where

TITLES = ("Run", "What", "Recorded", "Now")


def render_differences(name: str, differing: Sequence[Difference], said: Sequence[str]) -> str:
    """The differences in the format `name`, with what is ``said`` of them all where people read it."""
    if name == "json":
        document = {"matches": not differing, "differences": [d.document() for d in differing]}
        return json.dumps(document, indent=2) + "\n"
    if name == "csv":
        return lines_of([TITLES, *map(_cells, differing)])
    if name == "markdown":
        table = [row(TITLES), row(["---"] * len(TITLES)), *(row(map(plain, _cells(d))) for d in differing)]
        return "\n".join([*([*table, ""] if differing else []), *map(plain, said)]) + "\n"
    if name == "html":
        return html_document("dpmigrate inventory --check", _body(differing, said))
    return "\n".join([*(difference.words() for difference in differing), *said]) + "\n"


def _cells(difference: Difference) -> tuple[str, str, str, str]:
    place = where(difference.path, difference.cell, difference.line)
    if difference.field is None:
        was, is_now = ("there", "gone") if difference.now is None else ("not there", "there")
        return place, "run", was, is_now
    return place, difference.field, json.dumps(difference.recorded), json.dumps(difference.now)


def _body(differing: Sequence[Difference], said: Sequence[str]) -> Iterator[str]:
    yield f"<header><h1>{text(said[0])}</h1>"
    yield from (f'<p class="soft">{text(line)}</p>' for line in said[1:])
    yield "</header>"
    if not differing:
        return
    rows = "\n".join(
        "<tr>"
        + "".join(
            f'<td data-title="{title}">{folding(cell)}</td>'
            for title, cell in zip(TITLES, _cells(difference), strict=True)
        )
        + "</tr>"
        for difference in differing
    )
    heads = "".join(f'<th scope="col">{title}</th>' for title in TITLES)
    yield (
        '<main><div class="wide" tabindex="0" role="region" aria-label="What is not as recorded">'
        f'<table class="stack"><thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}\n</tbody></table>'
        "</div></main>"
    )
