"""``dpmigrate verify``: prove on real batches that clipping is right."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from dpmigrate.cli.options import output_option
from dpmigrate.cli.output import emit
from dpmigrate.cli.types import FILE, Script, StandIn, WordList
from dpmigrate.model import CHECK_NAMES
from dpmigrate.report.layout import clean_lines
from dpmigrate.report.style import Style, style_for
from dpmigrate.runtime.run.request import MODES, Request, Target


class _WithScript(click.Command):
    """A command whose last argument is a script with options of its own."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does; an option that is not ours, after a script, is told to stand after ``--``."""
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            script = next((word for word in given if word.endswith((".py", ".ipynb"))), None)
            if script is None and "-m" in given[:-1]:
                script = f"-m {given[given.index('-m') + 1]}"
            if script is None:
                raise
            name = error.option_name
            raise click.UsageError(
                f"verify has no option {name!r}; put options of the script after --, as in "
                f"`dpmigrate verify {script} -- {name}`.",
                ctx,
            ) from error


@click.command(
    cls=_WithScript,
    short_help="Prove on real batches that clipping is right.",
    epilog="""\b
Examples:
  dpmigrate verify train.py -- --epochs 1
  dpmigrate verify -m project.train --steps 5
  dpmigrate verify --factory tests.models:made

Exit status: 0 every check that ran holds, 1 some check does not, 2 the script could not be run to the point
of a verdict.
""",
)
@click.option("-m", "module", metavar="MODULE", help="Run a module, as python -m does.")
@click.option(
    "--factory",
    metavar="MODULE:FUNCTION",
    help="Check what this function returns: (model, criterion, batch), or a function that trains.",
)
@click.option(
    "--steps", type=click.IntRange(min=1), default=3, show_default=True, help="Logical steps to look at."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the runs.")
@click.option(
    "--format", "format_", type=click.Choice(["text", "json"]), default="text", help="Form of the report."
)
@output_option
@click.option("--html", type=FILE, metavar="FILE", help="Also write the report as one self-contained page.")
@click.option(
    "--compare",
    type=WordList(MODES),
    metavar="MODES",
    help=f"Time the script under several modes side by side, separated by commas: {', '.join(MODES)}.",
)
@click.option(
    "--checks",
    type=WordList(("parity", "noise", *CHECK_NAMES)),
    metavar="NAMES",
    help="Only these checks, separated by commas, and the runs that they need; parity and noise stand for "
    "three each.",
)
@click.option("--engines", type=click.IntRange(min=1), metavar="N", help="Private training runs to wait for.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=600,
    show_default=True,
    help="Seconds for each run of the script.",
)
@click.option(
    "--audit",
    is_flag=True,
    help="Also attack the steps: draws of noise with and without the worst example prove a lower bound of "
    "epsilon, held to the accountant's.",
)
@click.option("--in-place", is_flag=True, help="Leave what the script writes, instead of taking it back.")
@click.option(
    "--with",
    "stand_ins",
    type=StandIn(),
    multiple=True,
    metavar="NAME=FILE",
    help="A module NAME that is missing is FILE (.py); a data file NAME that is missing is a copy of FILE.",
)
@click.argument("arguments", nargs=-1, type=Script(), metavar="[SCRIPT] [-- SCRIPT ARGS...]")
def verify(
    module: str | None,
    factory: str | None,
    steps: int,
    seed: int,
    format_: str,
    output: str | None,
    html: str | None,
    compare: str | None,
    checks: str | None,
    engines: int | None,
    timeout: float,
    audit: bool,
    in_place: bool,
    stand_ins: tuple[str, ...],
    arguments: tuple[str, ...],
) -> int:
    """Run a training SCRIPT or notebook, unchanged, and prove that its clipping is right.

    The script runs a few logical steps in both clipping modes, seeded alike, and is then stopped. What
    receives the noise is compared with a per-example autograd oracle, and the noise itself is checked.
    Script output goes to standard error.
    """
    kind, target, rest = _target(module, factory, arguments, engines, compare)
    if audit and compare is not None:
        raise click.UsageError("--audit does not go with --compare.")
    request = Request(
        kind,
        target,
        rest,
        steps,
        seed,
        compare=_modes(compare),
        checks=_checks(checks),
        engines=engines,
        timeout=timeout,
        progress=sys.stderr.isatty(),
        in_place=in_place,
        audit=audit,
        stand_ins=_stand_ins(stand_ins),
    )
    from dpmigrate.report.verification.text import render_text
    from dpmigrate.runtime.run.api import run_request

    outcome = run_request(request)
    if not outcome.report_dict:
        if outcome.text:
            click.echo(f"No verdict: {clean_lines(outcome.text)}", err=True)
        return outcome.exit_status
    if html is not None:
        from dpmigrate.report.verification.page import render_html

        emit(render_html(outcome.report_dict), html)
    if format_ == "json":
        emit(json.dumps(outcome.report_dict, indent=1) + "\n", output)
    else:
        style = Style() if output not in (None, "-") else style_for(sys.stdout)
        emit(render_text(outcome.report_dict, style), output)
    return outcome.exit_status


def _target(
    module: str | None,
    factory: str | None,
    arguments: tuple[str, ...],
    engines: int | None,
    compare: str | None,
) -> tuple[Target, str, tuple[str, ...]]:
    """What to run and the arguments that it gets. Raises click.UsageError."""
    if module is not None and factory is not None:
        raise click.UsageError("-m and --factory exclude each other.")
    if module is not None:
        return "module", module, arguments
    if factory is not None:
        if ":" not in factory:
            raise click.UsageError("--factory needs MODULE:FUNCTION.")
        if arguments:
            raise click.UsageError("--factory takes no script.")
        if engines is not None or compare is not None:
            raise click.UsageError("--engines and --compare need a script that trains, not a --factory.")
        return "factory", factory, ()
    if not arguments:
        raise click.UsageError("Give the SCRIPT that trains, -m MODULE or --factory MODULE:FUNCTION.")
    return "script", arguments[0], arguments[1:]


def _stand_ins(words: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    pairs = [word.partition("=") for word in words]
    wrong = [
        word
        for word, (name, _, path) in zip(words, pairs, strict=True)
        if not name or not Path(path).is_file()
    ]
    if wrong:
        raise click.UsageError(f"--with {wrong[0]}: needs NAME=FILE, with a FILE that exists.")
    return tuple((name, str(Path(path).resolve())) for name, _, path in pairs)


def _checks(value: str | None) -> tuple[str, ...]:
    if value is None:
        return ()
    groups = {
        "parity": tuple(name for name in CHECK_NAMES if name.startswith("parity")),
        "noise": ("noise-std", "noise-fresh", "reproducible"),
    } | {name: (name,) for name in CHECK_NAMES}
    words = [word.strip() for word in value.split(",") if word.strip()]
    unknown = [word for word in words if word not in groups]
    if unknown or not words:
        raise click.UsageError(
            f"--checks: {', '.join(unknown) or 'nothing'} is no check; the checks are {', '.join(groups)}."
        )
    return tuple(dict.fromkeys(name for word in words for name in groups[word]))


def _modes(value: str | None) -> tuple[str, ...]:
    if value is None:
        return ()
    modes = tuple(dict.fromkeys(word.strip() for word in value.split(",") if word.strip()))
    unknown = [mode for mode in modes if mode not in MODES]
    if unknown or not modes:
        there_are = ", ".join(MODES)
        raise click.UsageError(
            f"--compare: {', '.join(unknown) or 'nothing'} is no mode; the modes are {there_are}."
        )
    return modes
