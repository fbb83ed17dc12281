"""What an interpretation remembers that no branch can change: typed slots, each declared by its owner.

``MODELS: Slot[dict[Atom, set[Atom]]] = Slot(dict)`` stands in the module whose question it answers, with what
it means below; ``MODELS.of(ip)`` has it. What a branch can change stands in the store.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

Kept = TypeVar("Kept")


class Noting(Protocol):
    """What has notes: an interpreter."""

    notes: dict[Slot[Any], Any]


class Slot(Generic[Kept]):
    """One thing that is remembered, from when the interpretation of a component begins."""

    def __init__(self, empty: Callable[[], Kept]) -> None:
        self._empty = empty

    def of(self, ip: Noting) -> Kept:
        """What an interpretation has here; empty where nothing was put in."""
        notes = ip.notes
        if self not in notes:
            notes[self] = self._empty()
        kept: Kept = notes[self]
        return kept
