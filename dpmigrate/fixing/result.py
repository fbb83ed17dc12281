"""What a fix gives back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from dpmigrate.model import Finding, Place


@dataclass(frozen=True)
class FixResult:
    """What a fix did, or would do."""

    diff: str = ""
    applied: tuple[str, ...] = ()
    """The files that were written, as reports show them."""
    refused: tuple[tuple[str, str], ...] = ()
    """(path, reason) of every fix that was not made."""
    mended: tuple[Finding, ...] = ()
    """The findings that are gone after it."""
    unmade: tuple[tuple[Finding, str], ...] = ()
    """The findings with a fix on offer that is not made, and why."""
    remaining: tuple[Finding, ...] = ()
    """Warnings and errors that no automatic fix is known for."""
    notices: tuple[str, ...] = ()
    warnings: tuple[Place, ...] = ()
    """What was passed over, such as an ignore pattern without meaning."""
    contents: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """The new bytes of every file that changes, by path."""
    verify_hint: str | None = None
    """The command that proves the fixed training at run time."""
    write: Callable[[], None] = field(default=lambda: None, repr=False)
    """Writes ``contents``, all or none; raises ``Refused`` where a file cannot be."""
    left_over: tuple[str, ...] = ()
    """Absolute paths of temporary files of fixes, which a killed one leaves."""
    rollback: Callable[[], None] = field(default=lambda: None, repr=False)
    """Puts every written file back."""

    @property
    def waiting(self) -> tuple[Finding, ...]:
        """The findings that --unsafe mends."""
        return tuple(f for f, reason in self.unmade if reason.startswith("needs --unsafe"))


def left_for_people(findings: Sequence[Finding], said: Collection[tuple[str, str]]) -> tuple[Finding, ...]:
    """The warnings and errors, but those that are ``said`` (rule, path) elsewhere."""
    return tuple(f for f in findings if f.severity != "info" and (f.rule, f.span.path) not in said)
