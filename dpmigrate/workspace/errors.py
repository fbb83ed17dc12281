"""What can go wrong with files, as types that the commands turn into an exit status or a report."""

# ruff: noqa: N818 - the name says what happened, the module that it is an error

from __future__ import annotations

import os


def own_error(error: Exception) -> str:
    """Why a file is not analysed for an error of dpmigrate itself. Raises it where errors are looked for."""
    if os.environ.get("DPMIGRATE_DEBUG", "0") not in ("", "0"):
        raise error
    said = " ".join(str(error).split())
    return f"internal error: {type(error).__name__}{': ' if said else ''}{said}"


class UsageError(Exception):
    """The command line or the configuration is wrong (exit status 2); the text is one sentence."""


class ConfigError(UsageError):
    """``[tool.dpmigrate]`` cannot be read or says something unknown; the text names the file."""


class Unreadable(Exception):
    """A file cannot be turned into Python text; becomes a ``NotAnalysed``.

    ``line`` is 1-based; 1 where no better place is known.
    """

    def __init__(self, reason: str, line: int = 1) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


class Unparsable(Unreadable):
    """Python text that the parser refuses, or that would exhaust it."""


class NotLossless(Exception):
    """Text that cannot be written back without changing bytes that nobody asked to change."""


class Refused(Exception):
    """A file that must not, or cannot, be written; nothing has been written when this is raised."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason
