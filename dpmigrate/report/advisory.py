"""``explain``: one advisory as a page, or several as a list."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from dpmigrate.advisories.catalogue import Advisory
from dpmigrate.report.layout import width_of, wrap
from dpmigrate.report.style import Style

_CODE = re.compile(r"`([^`]+)`")
_STRONG = re.compile(r"(?<!\w)\*{1,2}(?=\w)([^*]*\w)\*{1,2}(?!\w)")
_LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")
_ITEM = re.compile(r"^(\s*(?:[-*]|\d+\.)\s+)(.*)$")


def listing(advisories: Sequence[Advisory], style: Style) -> str:
    """A line for each of `advisories`: id, severity, name; the summary below it."""
    lines: list[str] = []
    for item in advisories:
        lines.append(f"{style.paint(item.id, 'bold')}  {item.name}  [{item.severity}, {item.impact}]")
        lines.append(wrap(item.summary, style.width, "        "))
    lines.append(
        f"One in full: dpmigrate explain {advisories[0].id}" if advisories else "There are no rules."
    )
    return "\n".join(lines) + "\n"


def page(item: Advisory, style: Style) -> str:
    """`item` in full: what its front matter says, then its prose."""
    fix = {
        "safe": "safe",
        "unsafe": "unsafe (needs --unsafe)",
        "none": "none that can be applied automatically",
    }[item.fix.applicability]
    head = [
        style.paint(f"{item.id} {item.name}", "bold"),
        wrap(item.summary, style.width),
        "",
        f"Severity  {item.severity}",
        f"Impact    {item.impact}",
        f"Opacus    {item.affected or 'every version'}",
        *([wrap(item.points_at, style.width, "Stands at ", " " * 10)] if item.points_at else []),
        wrap(f"{fix}: {item.fix.summary}" if item.fix.summary else fix, style.width, "Fix       ", " " * 10),
        "",
    ]
    return "\n".join([*head, *_prose(item.body, style)]).rstrip() + "\n"


def _prose(body: str, style: Style) -> Iterator[str]:
    """Markdown for a terminal: headings stand out, code and tables stay, paragraphs are wrapped.

    Where the text does not go to a terminal (no colour, no width) it is given as written.
    """
    if not style.colour and style.width is None:
        yield body.rstrip()
        return
    paragraph: list[str] = []
    table: list[str] = []
    fenced = False
    for line in [*body.splitlines(), ""]:
        indented = line.startswith("    ") and not paragraph
        if paragraph and (
            fenced or line.startswith(("```", "#", "|")) or not line.strip() or _ITEM.match(line)
        ):
            yield _paragraph(paragraph, style)
            paragraph = []
        if table and not line.startswith("|"):
            yield from _table(table, style)
            table = []
        if line.startswith("```"):
            fenced = not fenced
        elif fenced or indented:
            yield "  " + style.paint(line.removeprefix("    ") if indented and not fenced else line, "cyan")
        elif line.startswith("#"):
            yield style.paint(line.lstrip("# "), "bold")
        elif line.startswith("|"):
            table.append(line)
        elif line.strip():
            paragraph.append(line)
        else:
            yield ""


def _table(lines: list[str], style: Style) -> Iterator[str]:
    """A Markdown table with its columns aligned, its heading above a rule."""
    rows = [[_plain(cell.strip()) for cell in line.strip().strip("|").split("|")] for line in lines]
    rows = [row for row in rows if not all(set(cell) <= set("-: ") for cell in row)]
    columns = max(map(len, rows))
    widths = [max(width_of(row[i]) if i < len(row) else 0 for row in rows) for i in range(columns)]
    for number, row in enumerate(rows):
        cells = [cell + " " * (widths[i] - width_of(cell)) for i, cell in enumerate(row)]
        yield "  " + style.paint("  ".join(cells).rstrip(), "bold" if number == 0 else "cyan")
        if number == 0:
            yield "  " + "  ".join("-" * width for width in widths)


def _plain(text: str) -> str:
    """Inline Markdown without its marks, for where nothing is painted."""
    return _CODE.sub(r"\1", _STRONG.sub(r"\1", text))


def _paragraph(lines: list[str], style: Style) -> str:
    """One paragraph or list item, wrapped."""
    item = _ITEM.match(lines[0])
    first = item.group(1) if item else ""
    text = " ".join([item.group(2) if item else lines[0].strip(), *(line.strip() for line in lines[1:])])
    text = _LINK.sub(lambda m: m[2] if m[1] == m[2] else f"{m[1]} ({m[2]})", text)
    wrapped = wrap(_STRONG.sub(r"\1", text), style.width, first, " " * len(first))
    return _CODE.sub(lambda m: style.paint(m[1], "cyan"), wrapped) if style.colour else wrapped
