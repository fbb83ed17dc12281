"""``dpmigrate server``: a language server over standard input and output."""

from __future__ import annotations

import click

from dpmigrate.cli.errors import WrongUsage


@click.command(
    short_help="Show findings in an editor as you type (needs dpmigrate[server]).",
    epilog="""\b
Example:
  dpmigrate server

How to set up VS Code, Neovim, Helix and PyCharm is in the documents. Exit status: 0; 2 where what it needs
is not installed.
""",
)
def server() -> int:
    """Speak the language server protocol over standard input and output, for an editor that started it.

    Findings of open Python files and notebooks as they are typed, with the rest of the project from disk;
    the advisory under the pointer; safe fixes and ignore comments as code actions.
    """
    try:
        from dpmigrate.editor.server import server as language_server
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in ("pygls", "lsprotocol"):
            raise
        raise WrongUsage("the server needs pygls: pip install 'pygls>=2,<3'.") from error
    language_server.start_io()
    return 0
