"""Options that several commands share, and what is made of their values."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dpmigrate.cli.types import FILE, FOLDER, RULES

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
    extend_select: Sequence[str] = (),
    config: str | None = None,
    no_config: bool = False,
    force_exclude: bool = False,
    **others: Any,
) -> Settings:
    """The options of the command line and where more of them stand; ``others`` are fields of `Config`.

    Raises click.UsageError for a list of rules without any and for two answers to one question, ConfigError
    for a wrong ``config``.
    """
    from dpmigrate.workspace.config import Config
    from dpmigrate.workspace.settings import Settings

    if config is not None and no_config:
        raise click.UsageError("--config and --no-config exclude each other.")
    lists = {"select": select, "ignore": ignore, "extend-select": extend_select}
    for name, values in lists.items():
        if values and not split_selectors(values):
            raise click.UsageError(f"--{name}: names no rule.")
    given = Config(
        select=split_selectors(select),
        ignore=split_selectors(ignore),
        extend_select=split_selectors(extend_select),
        **others,
    )
    here = os.getcwd()  # noqa: PTH109 - pathlib is slow to import
    return Settings(here, given, file=config, isolated=no_config, force_exclude=force_exclude)


def _stacked(*decorators: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several decorators as one; the first stands at the top in ``--help``."""

    def decorate(command: Command) -> Command:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


paths_argument: Callable[[Command], Command] = click.argument(
    "paths", nargs=-1, metavar="[PATH]...", type=click.Path(allow_dash=True)
)

opacus_option: Callable[[Command], Command] = click.option(
    "--opacus",
    metavar="SPEC",
    help="The Opacus versions to assume (1.5.2, '>=1.5,<1.5.3'), whatever the project's pins say.",
)

config_options: Callable[[Command], Command] = _stacked(
    click.option(
        "--config",
        type=FILE,
        metavar="FILE",
        help="The pyproject.toml that governs every file, in place of the nearest one.",
    ),
    click.option("--no-config", is_flag=True, help="Read no configuration."),
    click.option(
        "--force-exclude", is_flag=True, help="Leave excluded files out also where they are named as PATH."
    ),
)
"""Where further options stand, and whether what they exclude may be named."""

rule_options: Callable[[Command], Command] = _stacked(
    click.option(
        "--select",
        type=RULES,
        multiple=True,
        metavar="RULE,..",
        help="Only these rules: an id (DPM101), a prefix (DPM1) or a name. May be repeated.",
    ),
    click.option(
        "--ignore", type=RULES, multiple=True, metavar="RULE,..", help="Not these rules. May be repeated."
    ),
    click.option(
        "--extend-select",
        type=RULES,
        multiple=True,
        metavar="RULE,..",
        help="These rules as well, also where the configuration ignores them.",
    ),
    opacus_option,
    click.option(
        "--target-version",
        metavar="VERSION",
        help="The Opacus release that the code is to be ready for, beside what the pins admit.",
    ),
    config_options,
)
"""What `settings_of` is given for scan and fix."""

quiet_option: Callable[[Command], Command] = click.option(
    "--quiet", "-q", is_flag=True, help="Findings or changes alone: no summary, no notices."
)

cache_options: Callable[[Command], Command] = _stacked(
    click.option(
        "--cache-dir",
        type=FOLDER,
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
    "--output", "-o", type=FILE, metavar="FILE", help="Write the report to FILE (replaced in one step)."
)
