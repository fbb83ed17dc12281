"""``dpmigrate fix``: rewrite faulty Opacus training code to the corrected API."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from dpmigrate.cli.errors import as_usage_errors
from dpmigrate.cli.options import paths_argument, quiet_option, rule_options, settings_of
from dpmigrate.cli.output import OutputFull, OutputGone, emit, tell_warnings
from dpmigrate.cli.progress import said
from dpmigrate.model import STRATEGIES, Reason
from dpmigrate.report.layout import clean, clean_lines, plural
from dpmigrate.report.style import Style, style_for

if TYPE_CHECKING:
    from dpmigrate.fixing import FixResult
    from dpmigrate.model import Finding, Strategy
    from dpmigrate.runtime.run.request import Target


@click.command(
    short_help="Rewrite it to the corrected API.",
    epilog="""\b
Examples:
  dpmigrate fix src
  dpmigrate fix --apply --verify "train.py -- --epochs 1"
  dpmigrate fix --strategy patch

Exit status: 0 nothing to change (or, with --apply, every fix applied), 1 a diff was printed or a fix could
not be applied, 2 wrong usage or an internal error.
""",
)
@paths_argument
@click.option("--apply", is_flag=True, help="Write the changes; without it only the diff is printed.")
@click.option("--unsafe", is_flag=True, help="Also the fixes that change noise, sampling or behaviour.")
@click.option(
    "--strategy",
    type=click.Choice(STRATEGIES),
    help="What to do about ghost clipping under a memory manager.  [default: upgrade]",
)
@rule_options
@click.option("--seed", metavar="EXPR", help="Python expression to seed generators with, such as args.seed.")
@click.option(
    "--opacus-lower-bound",
    "lower_bound",
    metavar="VERSION",
    help="The least Opacus that pins are raised to.  [default: 1.5.4]",
)
@click.option(
    "--verify",
    metavar="SCRIPT",
    help="With --apply: run SCRIPT under verify, and put every file back unless it passes. Arguments, or a "
    "module: 'train.py -- --epochs 1', '-m project.train'.",
)
@quiet_option
def fix(
    paths: tuple[str, ...],
    apply: bool,
    unsafe: bool,
    strategy: Strategy | None,
    seed: str | None,
    lower_bound: str | None,
    verify: str | None,
    quiet: bool,
    **options: Any,
) -> int:
    """Rewrite faulty Opacus training code under PATH (default: this folder).

    Prints a unified diff and writes nothing, unless --apply is given. Only files under PATH are written.
    """
    if verify is not None and not apply:
        raise click.UsageError("--verify needs --apply: there is nothing new to run otherwise.")
    proof = None if verify is None else _proof(verify)
    if "-" in paths:
        raise click.UsageError("fix takes files and folders; standard input is for scan.")
    with as_usage_errors():
        settings = settings_of(strategy=strategy, seed=seed, opacus_lower_bound=lower_bound, **options)

        from dpmigrate import api

        with said("Analysing, and proving each fix by a second analysis"):
            result = api.fix(paths or (".",), unsafe=unsafe, settings=settings)
    selected = bool(settings.given.select or settings.given.extend_select)
    if not apply:
        emit(_shown(result.diff, style_for(sys.stdout)))
    if not quiet:
        tell_warnings(result.warnings)
        say(result, style_for(sys.stderr), selected)
        if not (result.contents or result.refused or result.unmade or result.remaining):
            click.echo("Nothing to fix.", err=True)
    if not quiet:
        _sum_up(result, apply)
    if not apply:
        if result.contents and not quiet:
            click.echo(f"Would fix {_extent(result)}; --apply writes it.", err=True)
        return 1 if result.diff or result.refused else 0
    # All that there is to say is said before anything is written: who reads it may have gone away.
    sys.stderr.flush()
    if not _written(result):
        return 1
    proving = proof is not None and bool(result.contents)
    if not proving:
        _tell_fixed(result)
    left = sum(finding.severity != "info" for finding, _ in result.unmade)
    if left and not quiet:
        what = "finding was" if left == 1 else "findings were"
        click.echo(f"{left:,} {what} left, for the reasons above; another run would say the same.", err=True)
    if proof is not None and proving:
        return _verified(result, *proof)
    if result.contents and result.verify_hint:
        emit(f"Prove it: {clean(result.verify_hint)}\n")
    return 1 if result.refused else 0


def _sum_up(result: FixResult, apply: bool) -> None:
    """A line for each file that changes, and how many findings that have a recipe are left as they are."""
    for path in sorted(result.contents) if not apply else ():
        rules = sorted({finding.rule for finding in result.mended if finding.span.path == path})
        click.echo(f"would fix {clean(path)}: {', '.join(rules) or 'along with the others'}", err=True)
    waiting = len(result.waiting)
    refused = sum(f.severity != "info" for f, why in result.unmade if not why.startswith("needs --unsafe"))
    said = [f"{waiting:,} that --unsafe makes"] * bool(waiting) + [f"{refused:,} refused"] * bool(refused)
    if result.contents and said:
        click.echo(f"Left as they are: {', '.join(said)}, for the reasons above.", err=True)


def _written(result: FixResult) -> bool:
    """Write the files of a fix; False, and why, where they are left as they were."""
    from dpmigrate.workspace.errors import Refused
    from dpmigrate.workspace.transaction import remove_left_over

    for path in remove_left_over(result.left_over):
        click.echo(f"removed {clean(path)}, which a fix that was killed had left", err=True)
    try:
        result.write()
    except Refused as refused:
        click.echo(f"not fixed: {clean(str(refused))} (nothing was written)", err=True)
        return False
    return True


def _tell_fixed(result: FixResult) -> None:
    """Say which files are written for good: with ``--verify`` none is before that has passed."""
    done = "".join(f"fixed {clean(path)}\n" for path in sorted(result.contents))
    if done:
        done += f"Fixed {_extent(result)}.\n"
    try:
        emit(done)
    except (OutputFull, OutputGone):
        click.echo(done, err=True, nl=False)
        raise


def _extent(result: FixResult) -> str:
    """``2 findings in 1 file``."""
    return f"{plural(len(result.mended), 'finding')} in {plural(len(result.contents), 'file')}"


def _shown(diff: str, style: Style) -> str:
    """The diff with its lines made harmless, and in colour where the style has any."""
    colours = (("---", "bold"), ("+++", "bold"), ("@@", "cyan"), ("-", "red"), ("+", "green"))
    lines = []
    for line in diff.split("\n"):
        body = line.removesuffix("\r")
        colour = next((name for start, name in colours if line.startswith(start)), None)
        text = clean(body) if colour is None else style.paint(clean(body), colour)
        lines.append(text + line[len(body) :])
    return "\n".join(lines)


def say(result: FixResult, style: Style, selected: bool = False) -> None:
    """What is not in the diff, on standard error: notices, what is not fixed and why, what is left.

    Mere information comes last and takes a line, unless its rule was ``selected``.
    """
    from dpmigrate.report.text import where

    for notice in result.notices:
        click.echo(clean(notice), err=True)
    by_reason: dict[str, list[Finding]] = {}
    for finding, reason in result.unmade:
        by_reason.setdefault(reason, []).append(finding)
    paths: dict[str, list[str]] = {}
    for path, reason in result.refused:
        paths.setdefault(reason, []).append(path)
        by_reason.setdefault(reason, []).extend(by_reason.pop(f"{path}: {reason}", ()))
    in_short = [
        reason
        for reason, of_reason in by_reason.items()
        if not selected and reason not in paths and all(f.severity == "info" for f in of_reason)
    ]
    for reason in dict.fromkeys((*paths, *by_reason)):
        if reason in in_short:
            continue
        concerned = paths.get(reason) or sorted({f.span.path for f in by_reason[reason] if _placed(reason)})
        named = [path for path in concerned if not reason.startswith(f"{path}:")]
        place = f"{clean(', '.join(named))}: " if named else ""
        click.echo(f"{style.paint('not fixed', 'yellow')}: {place}{clean(reason)}", err=True)
        _list(by_reason.get(reason, ()), style)
    if result.remaining:
        click.echo("Left for you, since there is no automatic fix:", err=True)
        _list(result.remaining, style)
    for reason in in_short:
        of_reason = by_reason[reason]
        rules = ", ".join(sorted({f.rule for f in of_reason}))
        span = of_reason[0].span
        first = where(span.path, span.cell, span.line, span.column)
        more = f" and {len(of_reason) - 1:,} more" if len(of_reason) > 1 else ""
        what = reason.words if isinstance(reason, Reason) else reason
        click.echo(f"{rules} [info], {first}{more}: {clean(what)}", err=True)


def _placed(reason: str) -> bool:
    """Whether a reason names a line, and not yet the file."""
    return isinstance(reason, Reason) and bool(reason.place)


def _list(findings: Iterable[Finding], style: Style) -> None:
    """A line for each finding, with what it is about and the edit by hand unless it is mere information."""
    from dpmigrate.report.text import COLOURS, level_of, where

    for finding in findings:
        span = finding.span
        place = where(span.path, span.cell, span.line, span.column)
        level = style.paint(level_of(finding), COLOURS[finding.severity])
        message = "" if finding.severity == "info" else f" {clean(finding.message)}"
        click.echo(f"  {place}: {level}{message}", err=True)
        if message and finding.by_hand:
            click.echo(f"    {style.paint('by hand:', 'cyan')} {clean(finding.by_hand)}", err=True)


def _proof(text: str) -> tuple[Target, str, tuple[str, ...]]:
    """What ``--verify`` is to run: its kind, its name and its arguments, as ``dpmigrate verify`` takes them.

    Raises click.UsageError where nothing is named.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise click.UsageError(f"--verify: {text!r}: {str(error).lower()}.") from error
    kind: Target = "module" if words[:1] == ["-m"] else "script"
    name, *arguments = words[kind == "module" :] or [""]
    if not name or name == "--":
        raise click.UsageError("--verify names no script.")
    return kind, name, tuple(arguments[1:] if arguments[:1] == ["--"] else arguments)


def _verified(result: FixResult, kind: Target, name: str, arguments: tuple[str, ...]) -> int:
    """Run a script or module under verify; put every file back unless it passes."""
    from dpmigrate.runtime.run.api import run_request
    from dpmigrate.runtime.run.request import Request

    try:
        outcome = run_request(Request(kind, name, arguments))
    except BaseException:
        result.rollback()
        raise
    click.echo(clean_lines(outcome.text), err=outcome.exit_status == 2)
    if outcome.exit_status:
        result.rollback()
        verdict = "It failed" if outcome.exit_status == 1 else "There is no verdict"
        click.echo(f"{verdict}: every file is as it was before.", err=True)
        return outcome.exit_status
    _tell_fixed(result)
    return 1 if result.refused else 0
