"""The clauses that checks put into ``detail``: which batches, which error; names asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

Name = TypeVar("Name", bound=str)

LONGEST = 260
"""Characters of an exception that are repeated in a verdict."""


def physical(sizes: Sequence[int]) -> str:
    """``"one batch of 13"`` or ``"4 physical batches (4+3+3+3)"``."""
    if len(sizes) == 1:
        return f"one batch of {sizes[0]}"
    shown = "+".join(map(str, sizes)) if len(sizes) <= 8 else f"up to {max(sizes)}"
    return f"{len(sizes)} physical batches ({shown})"


def selected(names: Iterable[str] | None, of: Sequence[Name], kind: str) -> list[Name]:
    """Those of the names that are asked for, one or several, all for None. Raises ValueError for another."""
    wanted = set(of if names is None else [names] if isinstance(names, str) else names)
    if unknown := wanted - set(of):
        raise ValueError(f"unknown {kind} {', '.join(sorted(unknown))}; known: {', '.join(of)}")
    return [name for name in of if name in wanted]


def error_line(error: BaseException) -> str:
    """Type and message of an exception as part of one sentence, no longer than fits into it."""
    text = f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")
    return text if len(text) <= LONGEST else text[:LONGEST].rsplit(" ", 1)[0] + " ..."
