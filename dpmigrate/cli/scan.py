"""``dpmigrate scan``: find faulty ghost clipping without running the code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from dpmigrate.cli.errors import as_usage_errors
from dpmigrate.cli.options import (
    cache_folder,
    cache_options,
    output_option,
    paths_argument,
    rule_options,
    settings_of,
)
from dpmigrate.cli.output import emit, tell
from dpmigrate.cli.progress import said
from dpmigrate.report import FORMATS, render
from dpmigrate.report.style import Style, style_for

if TYPE_CHECKING:
    from dpmigrate.model import Certainty, ScanResult


@click.command(
    short_help="Find faulty ghost clipping without running the code.",
    epilog="Exit status: 0 no warning and no error, 1 at least one or a file that could not be analysed, "
    "2 wrong usage or an internal error.",
)
@paths_argument
@click.option(
    "--format", "format_", type=click.Choice(list(FORMATS)), default="text", help="Form of the report."
)
@output_option
@rule_options
@click.option(
    "--min-certainty",
    type=click.Choice(["definite", "possible"]),
    help="Report only what is at least this certain.  [default: possible]",
)
@click.option("--exit-zero", is_flag=True, help="Exit 0 even when there is something to report.")
@click.option("--jobs", "-j", type=click.IntRange(min=1), metavar="N", help="Processes to use.")
@cache_options
@click.option("--show-runs", is_flag=True, help="List the private training runs too (text only).")
def scan(
    paths: tuple[str, ...],
    format_: str,
    output: str | None,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    opacus: str | None,
    min_certainty: Certainty | None,
    exit_zero: bool,
    jobs: int | None,
    cache_dir: str | None,
    no_cache: bool,
    show_runs: bool,
) -> int:
    """Find faulty ghost clipping in the Opacus training code under PATH (default: this folder).

    The code is never imported or run. PATH limits what is reported; the analysis reads the whole project
    around it. "-" reads one Python file from standard input. Options may also stand in [tool.dpmigrate]
    of the nearest pyproject.toml.
    """
    if "-" in paths and len(paths) > 1:
        raise click.UsageError("'-' (standard input) cannot be combined with other paths.")
    with as_usage_errors():
        settings = settings_of(select, ignore, opacus, min_certainty=min_certainty)

        from dpmigrate import api

        with said("Analysing") as told:
            result = api.scan(
                paths or (".",),
                jobs=jobs,
                stdin=_standard_input() if paths == ("-",) else None,
                settings=settings,
                cache=cache_folder(cache_dir, no_cache),
                told=told,
            )
    tell(result.warnings)
    if result.empty:
        click.echo(f"warning: {_nothing_below(paths)}", err=True)
    style = Style() if output is not None else style_for(sys.stdout)
    emit(render(format_, result, style._replace(runs=show_runs)), output)
    return 0 if exit_zero else exit_status(result)


def exit_status(result: ScanResult) -> int:
    """1 when `result` holds a warning or an error, or a file that could not be analysed."""
    counts = any(finding.severity != "info" for finding in result.findings)
    return 1 if counts or result.not_analysed else 0


def _standard_input() -> bytes:
    """The Python file on standard input. Raises click.UsageError for a notebook."""
    data = sys.stdin.buffer.read()
    if data.lstrip()[:1] == b"{" and b'"cells"' in data and b'"nbformat"' in data:
        raise click.UsageError("standard input holds a notebook, and '-' reads a Python file.")
    return data


def _nothing_below(paths: Sequence[str]) -> str:
    """That nothing was there to be scanned, which is no verdict on anything."""
    places = ", ".join(repr(path) for path in paths) or "this folder"
    return f"no Python file, notebook or dependency file below {places}: nothing was scanned."
