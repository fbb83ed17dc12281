"""One self-contained page: style and script inside, no network, and nothing that a project holds acts.

Text of a project stands in the page only through `text`. The page's own policy lets no other script run and
nothing be loaded, so that even a slip there would show, not act.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from functools import cache
from html import escape
from pathlib import Path

from dpmigrate import __version__
from dpmigrate.report.layout import clean

_CODE = re.compile(r"`([^`]+)`")


def text(words: str) -> str:
    """Words of a project or a rule, for a place between tags or inside a quoted attribute."""
    return escape(clean(words))


def prose(words: str) -> str:
    """The same for a sentence: what stands between backticks is shown as code."""
    return _CODE.sub(r"<code>\1</code>", text(words))


def folding(words: str) -> str:
    """The same for a cell of a table: paths and names break between their parts, where they have to."""
    return re.sub(r"([/_])(?=.)", r"\1<wbr>", text(words))


def html_document(title: str, body: Iterable[str]) -> str:
    """A whole page around the parts of its body."""
    style, script = _part("page.css"), _part("page.js")
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; base-uri 'none'; "
        "form-action 'none'"
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{text(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n"
        + "\n".join(filter(None, body))
        + f"\n<footer>Made by dpmigrate {__version__} from the text of the code alone: nothing of it was "
        f"run.</footer>\n<script>{script}</script>\n</body>\n</html>\n"
    )


def counts(items: Iterable[tuple[str, int | str, str]]) -> str:
    """A row of figures: what is counted (in the plural), how many, the kind that gives it its colour."""
    listed = "".join(
        f'<li class="count {kind if number else ""}"><b>{number}</b> {text(_counted(number, label))}</li>'
        for label, number, kind in items
    )
    return f'<ul class="counts">{listed}</ul>'


def _counted(number: int | str, several: str) -> str:
    """What is counted, in the singular where it is one."""
    return re.sub(r"\b(error|warning|run|file)s\b", r"\1", several) if number == 1 else several


def badge(words: str, kind: str = "") -> str:
    """A word in a frame, in the colour of its kind."""
    return f'<span class="badge {kind}">{text(words)}</span>'


@cache
def _part(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _hash(part: str) -> str:
    """The source expression of an inline style or script in a content security policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()
