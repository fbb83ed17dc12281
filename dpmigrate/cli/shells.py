"""Completion in fish: click's own script cuts a value, and its help, at the first comma in it."""

from __future__ import annotations

from click.shell_completion import FishComplete, add_completion_class


class Fish(FishComplete):
    """Splits what comes back (``TYPE,VALUE<tab>HELP``) at the first comma alone."""

    source_template = FishComplete.source_template.replace('string split ","', 'string split --max 1 ","')


def register() -> None:
    """Let click use it for fish."""
    add_completion_class(Fish)
