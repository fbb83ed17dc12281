"""The clauses that checks put into ``detail``: which physical batches, which error."""

from __future__ import annotations

from collections.abc import Sequence


def physical(sizes: Sequence[int]) -> str:
    """``"one batch of 13"`` or ``"4 physical batches (4+3+3+3)"``."""
    if len(sizes) == 1:
        return f"one batch of {sizes[0]}"
    shown = "+".join(map(str, sizes)) if len(sizes) <= 8 else f"up to {max(sizes)}"
    return f"{len(sizes)} physical batches ({shown})"


def error_line(error: BaseException) -> str:
    """Type and first line of an exception, at most 200 characters."""
    first = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}"[:200].rstrip(": ")
