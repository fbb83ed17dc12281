"""How text may look on the place that it goes to: colour, and width in columns."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import IO, NamedTuple

_SGR = {
    "bold": "1",
    "dim": "2",
    "red": "1;31",
    "yellow": "1;33",
    "blue": "1;34",
    "green": "32",
    "cyan": "36",
}


class Style(NamedTuple):
    """`colour`: may escape sequences be used. `width`: columns to wrap at, None for never.

    `runs`: list every private training run, not only their numbers. `statistics`: only how many findings
    each rule has. `quiet`: findings without a summary. `verbose`: all that is counted is listed as well.
    """

    colour: bool = False
    width: int | None = None
    runs: bool = False
    statistics: bool = False
    quiet: bool = False
    verbose: bool = False

    def paint(self, text: str, name: str) -> str:
        """`text` in the colour `name`, or as it is where there is to be no colour."""
        return f"\x1b[{_SGR[name]}m{text}\x1b[0m" if self.colour and text else text


def style_for(stream: IO[str], environment: Mapping[str, str] | None = None) -> Style:
    """The style for `stream`: a terminal gets colour and its width, anything else neither.

    ``NO_COLOR`` (any value but the empty one) forbids colour, ``FORCE_COLOR`` asks for it where there
    is no terminal, ``COLUMNS`` overrides the terminal's width.
    """
    env = os.environ if environment is None else environment
    terminal = stream.isatty()
    colour = terminal and env.get("TERM") != "dumb"
    if env.get("FORCE_COLOR", "") not in ("", "0"):
        colour = True
    if env.get("NO_COLOR"):
        colour = False
    return Style(colour=colour, width=_width(stream, env) if terminal else None)


def _width(stream: IO[str], env: Mapping[str, str]) -> int:
    """Columns of the terminal behind `stream`, 80 where it does not say; at least 40."""
    asked = env.get("COLUMNS", "")
    if asked.isdigit() and int(asked) > 0:
        return max(40, int(asked))
    try:
        columns = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        columns = 0
    return max(40, columns) if columns > 0 else 80
