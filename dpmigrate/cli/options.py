"""Options that several commands share, and what is made of their values."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from dpmigrate.workspace.settings import Settings

Command = TypeVar("Command", bound=Callable[..., Any])


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The sentence that names what `word` may be a slip of, or nothing. Starts with a space."""
    from difflib import get_close_matches

    by_lower = {name.lower(): name for name in known}
    near = get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return f" Did you mean {by_lower[near[0]]!r}?" if near else ""


def split_selectors(values: Sequence[str]) -> tuple[str, ...]:
    """``("DPM1,dpm201", "ghost-..")`` as single words, in the order given, without blanks."""
    return tuple(word.strip() for value in values for word in value.split(",") if word.strip())


def settings_of(
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    opacus: str | None = None,
    **others: Any,
) -> Settings:
    """The options of the command line; ``others`` are fields of `Config`.

    Raises click.UsageError for a list of rules without any.
    """
    from dpmigrate.workspace.config import Config
    from dpmigrate.workspace.settings import Settings

    for name, values in (("select", select), ("ignore", ignore)):
        if values and not split_selectors(values):
            raise click.UsageError(f"--{name}: names no rule.")
    given = Config(select=split_selectors(select), ignore=split_selectors(ignore), opacus=opacus, **others)
    return Settings(os.getcwd(), given)  # noqa: PTH109 - pathlib is slow to import


def _stacked(*decorators: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several decorators as one; the first stands at the top in ``--help``."""

    def decorate(command: Command) -> Command:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


paths_argument: Callable[[Command], Command] = click.argument("paths", nargs=-1, metavar="[PATH]...")

opacus_option: Callable[[Command], Command] = click.option(
    "--opacus",
    metavar="SPEC",
    help="The Opacus versions to assume (1.5.2, '>=1.5,<1.5.3'), whatever the project's pins say.",
)

rule_options: Callable[[Command], Command] = _stacked(
    click.option(
        "--select",
        multiple=True,
        metavar="RULE,..",
        help="Only these rules: an id (DPM101), a prefix (DPM1) or a name. May be repeated.",
    ),
    click.option("--ignore", multiple=True, metavar="RULE,..", help="Not these rules. May be repeated."),
    opacus_option,
)
"""``--select``, ``--ignore`` and ``--opacus``, shared by scan and fix."""

cache_options: Callable[[Command], Command] = _stacked(
    click.option(
        "--cache-dir",
        metavar="DIR",
        help="Keep answers in DIR from one scan to the next.  [default: the platform's folder for caches]",
    ),
    click.option("--no-cache", is_flag=True, help="Neither read nor keep answers."),
)
"""``--cache-dir`` and ``--no-cache``; see `cache_folder`."""


def cache_folder(cache_dir: str | None, no_cache: bool) -> str | None:
    """The folder that `cache_options` name; None for no cache. Raises click.UsageError for both at once."""
    if no_cache:
        if cache_dir is not None:
            raise click.UsageError("--cache-dir and --no-cache exclude each other.")
        return None
    if cache_dir is not None:
        return cache_dir
    from dpmigrate.scanning.cache import default_folder

    return default_folder()


output_option: Callable[[Command], Command] = click.option(
    "--output", "-o", metavar="FILE", help="Write the report to FILE (replaced in one step)."
)
