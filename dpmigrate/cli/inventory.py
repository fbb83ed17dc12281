"""``dpmigrate inventory``: every private training run and what it is asked for, for an audit."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from dpmigrate.cli.errors import WrongUsage, as_usage_errors
from dpmigrate.cli.options import (
    cache_folder,
    cache_options,
    opacus_option,
    output_option,
    paths_argument,
    settings_of,
)
from dpmigrate.cli.output import emit
from dpmigrate.cli.progress import said
from dpmigrate.cli.types import FILE
from dpmigrate.report.inventory import FORMATS, render
from dpmigrate.report.style import Style, style_for
from dpmigrate.workspace.reading import read_named, reason_of

if TYPE_CHECKING:
    from dpmigrate.model import ScanResult


@click.command(
    short_help="List every private training run and what it is asked for.",
    epilog="""\b
Examples:
  dpmigrate inventory
  dpmigrate inventory --format json --output private-runs.json
  dpmigrate inventory --check private-runs.json

Exit status: 0 listed, or as recorded; 1 not as recorded (--check); 2 wrong usage or an internal error.
""",
)
@paths_argument
@click.option(
    "--format", "format_", type=click.Choice(list(FORMATS)), default="table", help="Form of the inventory."
)
@output_option
@click.option(
    "--check",
    "record",
    type=FILE,
    metavar="FILE",
    help="Compare with the inventory in FILE (JSON) and say what differs, in the form of --format.",
)
@opacus_option
@click.option("--jobs", "-j", type=click.IntRange(min=1), metavar="N", help="Processes to use.")
@cache_options
def inventory(
    paths: tuple[str, ...],
    format_: str,
    output: str | None,
    record: str | None,
    opacus: str | None,
    jobs: int | None,
    cache_dir: str | None,
    no_cache: bool,
) -> int:
    """List the private training runs under PATH (default: this folder), and what each is asked for.

    Clipping mode, sigma, C, epsilon, delta, epochs, accountant, sampling, seeds, memory manager and Opacus
    release: what a result was trained with. A value that several options decide is listed with each of them,
    one that only the run knows as "?".
    """
    if "-" in paths:
        raise click.UsageError("'-' (standard input) holds no project to list.")
    with as_usage_errors():
        settings = settings_of(opacus=opacus)

        from dpmigrate import api

        folder = cache_folder(cache_dir, no_cache)
        with said("Analysing") as told:
            result = api.scan(paths or (".",), jobs=jobs, settings=settings, cache=folder, told=told)
    _warn(result)
    if record is not None:
        return _compare(result, paths or (".",), record, format_, output)
    style = Style() if output not in (None, "-") else style_for(sys.stdout)
    emit(render(format_, result, style), output)
    return 0


def _warn(result: ScanResult) -> None:
    """Name on standard error what could not be analysed: runs in it are missing."""
    from dpmigrate.report.layout import clean
    from dpmigrate.report.text import where

    for item in result.not_analysed:
        place = where(item.path, item.cell, item.line)
        click.echo(f"{place}: not analysed, so its runs are missing: {clean(item.reason)}", err=True)


def _compare(result: ScanResult, paths: Sequence[str], record: str, format_: str, output: str | None) -> int:
    """Say what below the paths is not as it was recorded; 1 if anything is."""
    from dpmigrate.report.inventory.comparing import RecordError, differences, is_below, recorded_runs
    from dpmigrate.report.inventory.differing import render_differences
    from dpmigrate.report.layout import plural

    try:
        everything = recorded_runs(read_named(record).decode("utf-8"), result.root, result.cwd)
    except OSError as error:
        raise WrongUsage(f"--check: {record} {reason_of(error)}.") from error
    except UnicodeDecodeError as error:
        raise WrongUsage(f"--check: {record} is not UTF-8.") from error
    except RecordError as error:
        raise WrongUsage(f"--check: {record} {error}.") from error
    recorded = [run for run in everything if is_below(run["path"], paths, result.cwd)]
    differing = differences(recorded, result.runs)
    runs = plural(len(result.runs), "private training run")
    said = [
        f"{plural(len(differing), 'difference')} from {record}" if differing else f"{runs}, as in {record}"
    ]
    if len(recorded) < len(everything):
        others = plural(len(everything) - len(recorded), "run")
        said.append(f"{others} of {record} outside the given paths, not compared")
    emit(render_differences(format_, differing, said), output)
    return 1 if differing else 0
