"""The values that options take, and what a shell offers for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import click
from click.shell_completion import CompletionItem

from dpmigrate.report import FORMATS

if TYPE_CHECKING:
    RuleWords = click.ParamType[str]
    ReportWords = click.ParamType["ReportFile"]
else:  # generic for type checkers only in some releases of click
    RuleWords = ReportWords = click.ParamType


class RuleList(RuleWords):
    """Rules by id, prefix or name, with commas between them; completed behind the last comma."""

    name = "rule"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Every rule that begins as what was typed, by id or by name, with its summary."""
        from dpmigrate.advisories.catalogue import advisories

        before, comma, word = incomplete.rpartition(",")
        return [
            CompletionItem(f"{before}{comma}{value}", help=item.summary)
            for item in advisories()
            for value in (item.id, item.name)
            if value.lower().startswith(word.lower()) and (word or value == item.id)
        ]


class ReportFile(NamedTuple):
    """A further report of a scan."""

    format: str
    path: str


class ReportOption(ReportWords):
    """``FORMAT=FILE``."""

    name = "report"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> ReportFile:
        """The two parts. Raises click.BadParameter for no such format, or no file."""
        if isinstance(value, ReportFile):
            return value
        format_, sign, path = value.partition("=")
        if format_ not in FORMATS or not sign:
            self.fail(f"{value!r} is not FORMAT=FILE with one of {', '.join(FORMATS)}.", param, ctx)
        if path in ("", "-"):
            self.fail(f"{value!r} names no file.", param, ctx)
        return ReportFile(format_, path)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The formats; a shell completes no file behind the sign."""
        return [CompletionItem(f"{name}=") for name in FORMATS if name.startswith(incomplete)]


RULES = RuleList()
FILE = click.Path(dir_okay=False, allow_dash=True)
"""A file, which need not be there."""
