"""Where a result goes: standard output, or a file that is replaced in one step."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from dpmigrate.report.layout import clean, clean_lines

if TYPE_CHECKING:
    from dpmigrate.model import Place


class OutputGone(Exception):  # noqa: N818 - what happened: nobody reads standard output any more
    """Standard output is closed."""


class OutputFull(click.ClickException):
    """Standard output takes no more; exit status 2."""

    exit_code = 2


def emit(text: str, output: str | None = None) -> None:
    """Write `text` to the file `output`, or to standard output (None, or ``-``).

    Raises click.ClickException when the file cannot be written, `OutputGone` when standard output is
    closed, by us or by a reader that has gone away (``| head``), and `OutputFull` when it takes no more.
    """
    text = clean_lines(text)
    if output is not None and output != "-":
        _replace(output, text.encode("utf-8", "backslashreplace"))
        return
    if not text:
        return
    try:
        # click.echo would take the colour away that FORCE_COLOR asked for.
        sys.stdout.write(text)
        sys.stdout.flush()
    except (BrokenPipeError, ValueError) as error:
        raise OutputGone from error
    except OSError as error:
        ignore_closed_pipe()
        raise OutputFull(f"standard output: {(error.strerror or str(error)).lower()}") from error


def tell_warnings(warnings: Iterable[Place]) -> None:
    """Say on standard error what was passed over, a line each."""
    for place in warnings:
        click.echo(clean(f"{place.path}:{place.line}: warning: {place.text}"), err=True)


def ignore_closed_pipe() -> None:
    """Send what is left of standard output nowhere; Python would raise once more at exit."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _replace(name: str, data: bytes) -> None:
    """Write `data` beside the file `name` and rename, so that no reader ever sees half a report."""
    import tempfile
    from pathlib import Path

    from dpmigrate.workspace.roots import leads_out

    path = Path(name)
    if leads_out(name):
        raise click.ClickException(
            f"The report could not be written to {path}: a link leads out of the project."
        )
    try:
        if path.exists() and not path.is_file():
            # A device such as /dev/stdout, or a named pipe: nothing to rename onto.
            path.write_bytes(data)
            return
        target = path.resolve()
        mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o666 & ~_umask()
        handle, beside = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        temporary = Path(beside)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.chmod(mode)
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise click.ClickException(f"The report could not be written to {path}: {reason}.") from error


def _umask() -> int:
    """The process's file mode mask (it can only be read by setting it)."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
