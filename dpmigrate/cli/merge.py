"""``dpmigrate merge``: join the JSON reports of parts of one repository."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from dpmigrate.cli.errors import WrongUsage
from dpmigrate.cli.options import output_option
from dpmigrate.cli.output import emit
from dpmigrate.cli.scan import exit_status
from dpmigrate.cli.types import FILE
from dpmigrate.model import ScanResult
from dpmigrate.report import FORMATS, render
from dpmigrate.report.style import Style, style_for
from dpmigrate.workspace.reading import read_named, reason_of


@click.command(
    short_help="Join the JSON reports of parts of one repository.",
    epilog="""\b
Examples:
  dpmigrate merge a.json b.json
  dpmigrate merge a.json b.json --format sarif --output dpmigrate.sarif

Exit status: as scan of all the parts together.
""",
)
@click.argument("reports", nargs=-1, required=True, type=FILE, metavar="REPORT.json ...")
@click.option(
    "--format", "format_", type=click.Choice(list(FORMATS)), default="text", help="Form of the report."
)
@output_option
@click.option("--exit-zero", is_flag=True, help="Exit 0 even when there is something to report.")
def merge(reports: tuple[str, ...], format_: str, output: str | None, exit_zero: bool) -> int:
    """Join what "scan --format json" said of parts of one repository, each scanned from the same folder.

    The result is what one scan of all the parts says, byte for byte where they do not overlap. Code frames
    come from the files as they are here, where they are here.
    """
    from dpmigrate.report.lines_on_disk import with_lines
    from dpmigrate.report.merging import merged

    result = merged([_read(report) for report in reports])
    style = Style() if output not in (None, "-") else style_for(sys.stdout)
    if format_ != "json":
        result = with_lines(result, str(Path.cwd()))
    emit(render(format_, result, style), output)
    return 0 if exit_zero else exit_status(result)


def _read(report: str) -> ScanResult:
    """The result behind one report. Raises WrongUsage for what is none."""
    from dpmigrate.report.reading import ReportError, read

    try:
        return read(read_named(report).decode("utf-8"))
    except OSError as error:
        raise WrongUsage(f"{report} {reason_of(error)}.") from error
    except UnicodeDecodeError as error:
        raise WrongUsage(f"{report} is not UTF-8.") from error
    except ReportError as error:
        raise WrongUsage(f"{report} {error}.") from error
