"""The values that options take, and what a shell offers for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from click.shell_completion import CompletionItem

from dpmigrate.report import FORMATS

if TYPE_CHECKING:
    Words = click.ParamType[str]
    ReportWords = click.ParamType["ReportFile"]
else:  # generic for type checkers only in some releases of click
    Words = ReportWords = click.ParamType


def files_behind(before: str, begun: str) -> list[CompletionItem]:
    """Files and folders that begin as a path does, after what stands before it; shells offer none there."""
    from pathlib import Path

    folder, slash, start = begun.rpartition("/")
    try:
        entries = sorted(Path(folder + slash or ".").expanduser().iterdir())
    except (OSError, RuntimeError):
        return []
    return [
        CompletionItem(f"{before}{folder}{slash}{entry.name}{'/' * entry.is_dir()}")
        for entry in entries
        if entry.name.startswith(start) and entry.name.startswith(".") <= start.startswith(".")
        if entry.name.isprintable()
    ]


class WordList(Words):
    """Some of certain words, with commas between them; completed after the last comma."""

    name = "words"

    def __init__(self, words: Sequence[str]) -> None:
        self.words = words

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Every word that begins as what was typed."""
        before, comma, begun = incomplete.rpartition(",")
        return [CompletionItem(f"{before}{comma}{word}") for word in self.words if word.startswith(begun)]


class Script(Words):
    """A script and its arguments, as they are."""

    name = "script"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Files, as the shell offers them."""
        return [CompletionItem(incomplete, type="file")]


class StandIn(Words):
    """``NAME=FILE``; files are offered after the sign."""

    name = "stand-in"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Files, once there is a name."""
        name, sign, path = incomplete.partition("=")
        return files_behind(name + sign, path) if sign else []


class RuleList(Words):
    """Rules by id, prefix or name, with commas between them; completed after the last comma."""

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
        """The formats, and files after the sign."""
        format_, sign, path = incomplete.partition("=")
        if sign:
            return files_behind(format_ + sign, path)
        return [CompletionItem(f"{name}=") for name in FORMATS if name.startswith(incomplete)]


RULES = RuleList()
FILE = click.Path(dir_okay=False, allow_dash=True)
"""A file, which need not be there."""
FOLDER = click.Path(file_okay=False)
"""A folder, which need not be there."""
