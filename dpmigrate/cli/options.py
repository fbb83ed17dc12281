"""Options that several commands share, and what is made of their values."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import click

if TYPE_CHECKING:
    from dpmigrate.workspace.config import Config

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


class Shared(TypedDict):
    """What `api.scan` and `api.fix` are both given."""

    select: tuple[str, ...]
    ignore: tuple[str, ...]
    opacus: str | None
    cwd: str
    exclude: tuple[str, ...]
    exclude_base: str | None


def shared_options(
    paths: Sequence[str], select: Sequence[str], ignore: Sequence[str], opacus: str | None
) -> tuple[Config, Shared]:
    """The configuration that governs `paths`, and what it and the options of the command line come to.

    Raises ConfigError, and click.UsageError that names the option, or the file and key, of a wrong value.
    """
    cwd = os.getcwd()  # noqa: PTH109 - pathlib is slow to import
    config = configuration(paths, cwd)

    def source(given: object, key: str) -> str:
        return f"--{key}" if given else f"{config.shown}: [tool.dpmigrate] {key}"

    return config, {
        "select": rule_ids(split_selectors(select or config.select), source(select, "select")),
        "ignore": rule_ids(split_selectors(ignore or config.ignore), source(ignore, "ignore")),
        "opacus": opacus_specifier(opacus or config.opacus, source(opacus, "opacus")),
        "cwd": cwd,
        "exclude": config.exclude,
        "exclude_base": config.folder,
    }


def rule_ids(selectors: Sequence[str], source: str) -> tuple[str, ...]:
    """The ids that `selectors` (id, prefix or name of a rule) stand for, sorted.

    The rules are read only where there is a selector. Raises click.UsageError, naming `source`,
    for one that stands for no rule.
    """
    if not selectors:
        return ()
    from dpmigrate.advisories.catalogue import UnknownRuleError, select

    try:
        return tuple(advisory.id for advisory in select(selectors))
    except UnknownRuleError as error:
        raise click.UsageError(f"{source}: {error}") from error


def configuration(paths: Sequence[str], cwd: str) -> Config:
    """``[tool.dpmigrate]`` of the pyproject.toml nearest to what all of `paths` have in common.

    Raises ConfigError, which names the file, for one that cannot be read or says something unknown.
    """
    from dpmigrate.workspace.config import load_config

    named = [os.path.join(cwd, path) for path in paths if path != "-"]  # noqa: PTH118
    try:
        start = os.path.commonpath(named) if named else cwd
    except ValueError:  # several drives have nothing in common
        start = cwd
    return load_config(start, cwd)


def opacus_specifier(value: str | None, source: str) -> str | None:
    """`value` as a PEP 440 specifier; a bare version means exactly that one.

    Raises click.UsageError, naming `source`, for anything else.
    """
    if value is None or not value.strip():
        return None
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    text = value.strip()
    if text[0].isdigit():
        text = f"=={text}"
    try:
        return str(SpecifierSet(text))
    except InvalidSpecifier as error:
        raise click.UsageError(
            f"{source}: {value!r} is not a version or a version specifier such as '>=1.5,<1.5.3'."
        ) from error


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

output_option: Callable[[Command], Command] = click.option(
    "--output", "-o", metavar="FILE", help="Write the report to FILE (replaced in one step)."
)
