"""The rule table of README.md, written from ``rules/``.

Run as ``python -m dpmigrate.advisories.readme_table README.md``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from dpmigrate.advisories.catalogue import Advisory, advisories

BEGIN = "<!-- rules: written by `make readme` -->"
END = "<!-- rules: end -->"


def table() -> str:
    """One row for each advisory, as a Markdown table."""
    rows = ["| rule | what | severity | Opacus | fix |", "|---|---|---|---|---|"]
    rows += [_row(advisory) for advisory in advisories()]
    return "\n".join(rows)


def updated(text: str) -> str:
    """`text` with the table between its two marker lines written anew.

    Raises ValueError for a text without the markers.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"there is no table between '{BEGIN}' and '{END}'")
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def _row(advisory: Advisory) -> str:
    affected = f"`{advisory.affected}`" if advisory.affected else "all"
    cells = (
        f"[{advisory.id}](rules/{advisory.path.name}) `{advisory.name}`",
        advisory.summary.replace("|", "\\|"),
        f"{advisory.severity}, {advisory.impact}" if advisory.impact != "none" else advisory.severity,
        affected.replace("|", "\\|"),
        advisory.fix.applicability,
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Write the table of the file that the command line names anew."""
    path = Path(sys.argv[1])
    path.write_text(updated(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
