"""What the library raises about wrong usage, as the one sentence and exit status 2 of a command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click


class WrongUsage(click.ClickException):
    """Wrong usage or configuration: one sentence, exit status 2."""

    exit_code = 2


@contextmanager
def as_usage_errors() -> Iterator[None]:
    """Turn the library's errors about usage and configuration into `WrongUsage`."""
    from dpmigrate.workspace.errors import UsageError

    try:
        yield
    except UsageError as error:
        raise WrongUsage(str(error)) from error
    except LookupError as error:
        from dpmigrate.advisories.catalogue import UnknownRuleError

        if not isinstance(error, UnknownRuleError):
            raise
        raise WrongUsage(str(error)) from error
