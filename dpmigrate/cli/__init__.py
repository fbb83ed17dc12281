"""The command line: parses arguments, calls the library, prints, exits.

A command is a module of its name. ``options``, ``types``   what they share, and what a shell offers for it
``output``, ``progress``, ``errors``   where results go; what takes long; wrong usage as one sentence
``show_settings``, ``shells``   what ``--show-settings`` prints; completion in fish

Only click is imported before a command is known, and each command imports what it needs, so that
``--version`` and a scan that finds nothing to parse stay quick.
"""

from __future__ import annotations

import gc
import io
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from itertools import takewhile
from typing import IO, NoReturn

import click

from dpmigrate import __version__

ISSUES = "the issue tracker of dpmigrate"

COMMANDS = {
    "scan": "Find privacy faults without running the code.",
    "fix": "Rewrite it to the corrected API; prints a diff unless --apply is given.",
    "verify": "Prove on real batches that clipping is right (needs dpmigrate[verify]).",
    "inventory": "List every private training run and what it is asked for.",
    "merge": "Join the JSON reports of parts of one repository.",
    "server": "Show findings in an editor as you type (needs dpmigrate[server]).",
    "explain": "Print an advisory, or the list of them.",
}
"""Each command's one-line help; command NAME is ``dpmigrate.cli.NAME:NAME``."""


CLOSED = 141
"""Exit status where nobody reads standard output any more: a shell says it of what SIGPIPE has ended."""
_ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


class LazyGroup(click.Group):
    """A click group that imports a command's module only when that command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order in which people meet them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of `cmd_name`; None when there is no such command."""
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(f"dpmigrate.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but an unknown name is answered with the nearest known one."""
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            from dpmigrate.cli.options import did_you_mean

            ctx.fail(f"There is no command {args[0]!r}.{did_you_mean(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    invoke_without_command=True,
    epilog="""\b
Examples:
  dpmigrate scan
  dpmigrate fix src --apply
  dpmigrate verify train.py -- --epochs 1
  dpmigrate explain DPM101

Exit status: 0 nothing to report, 1 something to report, 2 wrong usage or an internal error.
""",
)
@click.version_option(__version__, prog_name="dpmigrate", message="%(prog)s %(version)s")
@click.pass_context
def group(context: click.Context) -> None:
    """Find, fix and verify privacy faults in Opacus training code."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit status; never raises.

    `arguments` defaults to ``sys.argv[1:]``. Every error is one sentence on standard error; with
    ``DPMIGRATE_DEBUG=1`` the traceback of an internal error is shown as well.
    """
    # Python has no stream at all where whoever started it had closed it.
    sys.stdout = sys.stdout or _Closed()
    sys.stderr = sys.stderr or io.StringIO()
    for stream in (sys.stdout, sys.stderr):
        _never_refuse_a_character(stream)
    if "_DPMIGRATE_COMPLETE" in os.environ:
        from dpmigrate.cli.shells import register

        register()
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        _refuse_files_as_options(words)
        status = group.main(words, prog_name="dpmigrate", standalone_mode=False)
        if not sys.stdout.closed:  # as the language server leaves it
            sys.stdout.flush()
    except click.ClickException as error:
        return _wrong_usage(error)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        return 130
    except Exception as error:
        from dpmigrate.cli.output import OutputGone, ignore_closed_pipe

        if isinstance(error, (BrokenPipeError, OutputGone)):
            ignore_closed_pipe()
            return CLOSED
        return _internal_error(error)
    return status if isinstance(status, int) else 0


def main() -> NoReturn:
    """Entry point of the ``dpmigrate`` script. A signal that ends it lets it clean up first."""
    for number in _ENDING:
        # One that is ignored, as under nohup, stays so.
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _end)
    try:
        status = run()
        # Python would look through all that was parsed once more before it ends.
        gc.freeze()
        sys.exit(status)
    except _Ended as ended:
        signal.signal(ended.number, signal.SIG_DFL)
        os.kill(os.getpid(), ended.number)
        raise


class _Closed(io.StringIO):
    """Standard output that is not there."""

    def write(self, text: str, /) -> int:
        raise BrokenPipeError


class _Ended(BaseException):
    def __init__(self, number: int) -> None:
        self.number = number


def _end(number: int, _frame: object) -> None:
    for other in _ENDING:
        signal.signal(other, signal.SIG_IGN)
    raise _Ended(number)


def _wrong_usage(error: click.ClickException) -> int:
    """One sentence on standard error, and where the command's options are listed."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    see = f" See: {context.command_path} --help" if context is not None else ""
    from dpmigrate.report.layout import clean

    click.echo(f"dpmigrate: {clean(error.format_message())}{see}", err=True)
    return 2


def _refuse_files_as_options(words: Sequence[str]) -> None:
    """Raise click.UsageError for the name of a file that would be read as an option.

    Who hands the names of a repository's files on, as pre-commit does, must not take a baseline or a place
    for the report from one of them.
    """
    for word in takewhile(lambda word: word != "--", words):
        if word.startswith("-") and os.path.lexists(word):
            raise click.UsageError(
                f"{word!r} is a file here and would be an option: write ./{word} for the file."
            )


def _never_refuse_a_character(stream: IO[str]) -> None:
    """Let a terminal that cannot show a character see its escape, where Python would raise."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")


def _internal_error(error: Exception) -> int:
    """Say in one sentence that dpmigrate itself failed, and how to report it."""
    if os.environ.get("DPMIGRATE_DEBUG", "0") not in ("", "0"):
        import traceback

        traceback.print_exc()
    from dpmigrate.report.layout import clean

    detail = clean(" ".join(str(error).split())) or "no message"
    click.echo(
        f"dpmigrate: internal error: {type(error).__name__}: {detail}. Please report it to {ISSUES} "
        "with the command you ran and what DPMIGRATE_DEBUG=1 prints.",
        err=True,
    )
    return 2
