"""``dpmigrate explain``: print an advisory, or the list of them."""

from __future__ import annotations

import sys

import click

from dpmigrate.cli.errors import as_usage_errors
from dpmigrate.cli.output import emit
from dpmigrate.cli.types import RULES
from dpmigrate.report.style import style_for


@click.command(
    short_help="Print an advisory, or the list of them.",
    epilog="""\b
Examples:
  dpmigrate explain DPM101
  dpmigrate explain ghost-batch-memory-manager
  dpmigrate explain DPM2
""",
)
@click.argument("rule", required=False, type=RULES)
def explain(rule: str | None) -> int:
    """Print the advisory RULE: an id (DPM101) or a name. A prefix (DPM1), or nothing, lists the rules."""
    from dpmigrate.advisories import catalogue
    from dpmigrate.report import advisory as pages

    style = style_for(sys.stdout)
    with as_usage_errors():
        if rule is None:
            emit(pages.listing(catalogue.advisories(), style))
            return 0
        chosen = catalogue.select([rule])
    emit(pages.page(chosen[0], style) if len(chosen) == 1 else pages.listing(chosen, style))
    return 0
