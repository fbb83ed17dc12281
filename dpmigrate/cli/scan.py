"""``dpmigrate scan``: find privacy faults without running the code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from dpmigrate.cli.errors import as_usage_errors
from dpmigrate.cli.options import (
    cache_folder,
    cache_options,
    output_option,
    paths_argument,
    quiet_option,
    rule_options,
    settings_of,
)
from dpmigrate.cli.output import emit, tell_warnings
from dpmigrate.cli.progress import said
from dpmigrate.cli.types import FILE, ReportFile, ReportOption
from dpmigrate.report import FORMATS, render
from dpmigrate.report.style import Style, style_for

if TYPE_CHECKING:
    from dpmigrate.model import ScanResult
    from dpmigrate.scanning.baseline import BaselineEntry


@click.command(
    short_help="Find privacy faults without running the code.",
    epilog="""\b
Examples:
  dpmigrate scan src notebooks/study.ipynb
  dpmigrate scan --format sarif --output dpmigrate.sarif --report html=dpmigrate.html
  dpmigrate scan --write-baseline dpmigrate-baseline.json

Exit status: 0 no warning and no error, 1 at least one or a file that could not be analysed, 2 wrong usage
or an internal error.
""",
)
@paths_argument
@click.option(
    "--format", "format_", type=click.Choice(list(FORMATS)), default="text", help="Form of the report."
)
@output_option
@click.option(
    "--report",
    "reports",
    type=ReportOption(),
    multiple=True,
    metavar="FORMAT=FILE",
    help="A further report of the same scan. May be repeated.",
)
@rule_options
@click.option(
    "--min-certainty",
    type=click.Choice(["definite", "possible"]),
    help="Report only what is at least this certain.  [default: possible]",
)
@click.option("--baseline", type=FILE, metavar="FILE", help="Report only what is not in this baseline.")
@click.option(
    "--write-baseline",
    type=FILE,
    metavar="FILE",
    help="Write what is found to FILE, to be known from now on, and exit 0.",
)
@click.option("--diff-base", metavar="REV", help="Report only what stands on lines changed since REV (git).")
@click.option(
    "--stdin-filename",
    type=FILE,
    metavar="PATH",
    help="What is read from standard input stands for the file PATH of the project.",
)
@click.option(
    "--show-settings", is_flag=True, help="Print the options that govern each PATH, and scan nothing."
)
@click.option("--show-runs", is_flag=True, help="List the private training runs too (text only).")
@click.option("--statistics", is_flag=True, help="Print how many findings each rule has (text only).")
@click.option("--exit-zero", is_flag=True, help="Exit 0 even when there is something to report.")
@click.option("--jobs", "-j", type=click.IntRange(min=1), metavar="N", help="Processes to use.")
@cache_options
@quiet_option
@click.option(
    "--verbose",
    "-v",
    is_flag=True,
    help="List runs, suppressed findings and what was not followed to its end (text only).",
)
def scan(
    paths: tuple[str, ...],
    format_: str,
    output: str | None,
    reports: tuple[ReportFile, ...],
    baseline: str | None,
    write_baseline: str | None,
    diff_base: str | None,
    stdin_filename: str | None,
    show_settings: bool,
    show_runs: bool,
    statistics: bool,
    exit_zero: bool,
    jobs: int | None,
    cache_dir: str | None,
    no_cache: bool,
    quiet: bool,
    verbose: bool,
    **options: Any,
) -> int:
    """Find privacy faults in the Opacus training code under PATH (default: this folder).

    The code is never imported or run. PATH limits what is reported; the analysis reads the whole project
    around it. "-" reads one Python file from standard input (a notebook with --stdin-filename). Options may
    also stand in [tool.dpmigrate] of the nearest pyproject.toml that has this table.
    """
    if "-" in paths and len(paths) > 1:
        raise click.UsageError("'-' (standard input) cannot be combined with other paths.")
    if stdin_filename is not None and paths != ("-",):
        raise click.UsageError("--stdin-filename needs '-' (standard input) as the only PATH.")
    if statistics and format_ != "text":
        raise click.UsageError("--statistics is for text.")
    with as_usage_errors():
        settings = settings_of(**options)
        if show_settings:
            from dpmigrate.cli.show_settings import settings_text

            emit(settings_text(paths or (".",), settings), output)
            return 0

        from dpmigrate import api

        with said("Analysing") as told:
            result = api.scan(
                paths or (".",),
                jobs=jobs,
                stdin=_standard_input(stdin_filename) if paths == ("-",) else None,
                stdin_filename=stdin_filename,
                settings=settings,
                baseline=_entries(baseline),
                diff_base=diff_base,
                cache=cache_folder(cache_dir, no_cache),
                told=told,
            )
    if not quiet:
        _tell(result, paths, baseline, settings.force_exclude)
    for report in reports:
        emit(render(report.format, result, Style()), report.path)
    style = Style() if output not in (None, "-") else style_for(sys.stdout)
    if write_baseline is not None:
        return _written(result, write_baseline, quiet)
    shown = style._replace(runs=show_runs or verbose, statistics=statistics, quiet=quiet, verbose=verbose)
    emit(render(format_, result, shown), output)
    return 0 if exit_zero else exit_status(result)


def exit_status(result: ScanResult) -> int:
    """1 when `result` holds a warning or an error, or a file that could not be analysed."""
    counts = any(finding.severity != "info" for finding in result.findings)
    return 1 if counts or result.not_analysed else 0


def _standard_input(name: str | None) -> bytes:
    """The file on standard input. Raises click.UsageError for a notebook that has not the name of one."""
    data = sys.stdin.buffer.read()
    is_notebook = data.lstrip()[:1] == b"{" and b'"cells"' in data and b'"nbformat"' in data
    if is_notebook and not (name or "").endswith(".ipynb"):
        raise click.UsageError(
            "standard input holds a notebook, and '-' reads a Python file: --stdin-filename NAME.ipynb says "
            "what it is."
        )
    return data


def _entries(baseline: str | None) -> tuple[BaselineEntry, ...]:
    """The entries of a baseline."""
    if baseline is None:
        return ()
    from dpmigrate.scanning.baseline import read_baseline

    return read_baseline(baseline, baseline)


def _written(result: ScanResult, path: str, quiet: bool) -> int:
    """Write a baseline; always status 0."""
    from dpmigrate.report.layout import clean, plural
    from dpmigrate.scanning.baseline import baseline_text

    text = baseline_text(result)
    emit(text, path)
    if not quiet:
        known = plural(text.count('"fingerprint"'), "finding")
        told = clean(path)
        click.echo(f"{known} in {told}: from now on, --baseline {told} reports only what is new.", err=True)
    return 0


def _tell(result: ScanResult, paths: Sequence[str], baseline: str | None, excluding: bool) -> None:
    """What is no finding, on standard error: what was passed over, and what a baseline no longer needs."""
    from dpmigrate.report.layout import clean, plural

    tell_warnings(result.warnings)
    if result.empty:
        click.echo(f"warning: {_nothing_below(paths, excluding)}", err=True)
    if result.gone:
        count = plural(len(result.gone), "finding")
        click.echo(
            f"{count} of {baseline} no longer there (--write-baseline {baseline} drops what is gone):",
            err=True,
        )
        for entry in result.gone:
            click.echo(f"  {clean(entry)}", err=True)


def _nothing_below(paths: Sequence[str], excluding: bool) -> str:
    """That nothing was there to be scanned, which is no verdict on anything."""
    places = ", ".join(repr(path) for path in paths) or "this folder"
    excluded = " that is not excluded" if excluding else ""
    return f"no Python file, notebook or dependency file below {places}{excluded}: nothing was scanned."
