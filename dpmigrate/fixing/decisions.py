"""What groups that share a pin decide together about their fixes: plain data, kept from scan to scan."""

from __future__ import annotations

from typing import NamedTuple


class Decision(NamedTuple):
    """What became of a job that reaches beyond its group, in words that hang on no number of groups."""

    refusal: str
    """Why it was withheld or does not hold, and where; empty where it is made."""
    pins: tuple[str, ...]
    """The pins that govern each of its calls; none where it moves code from the API of 0.x."""
    edits: tuple[str, ...]
    """What becomes of dependency files."""
    lower_bound: str | None
    """The release that was asked for, in the options of all of its files."""


class SharedOutcome(NamedTuple):
    """What one job that reaches beyond its group decided, for which groups."""

    decision: Decision
    members: tuple[int, ...] = ()
    """The numbers of the groups whose calls the job moves, in order."""
    refusing: tuple[int, ...] = ()
    """The number of the group whose code withholds it, or in which it does not hold."""


class PassOutcome(NamedTuple):
    """What one pass of planning, with unsafe fixes or without, decided for several groups together."""

    shared: tuple[SharedOutcome, ...]
    """In the order of the first group of each; empty where no job reaches beyond its group."""
