"""Values of one branch alone, whose assumptions are worked out when somebody reads them.

What a branch makes is carried out of every branch around it, and most of it is never read there: after the
last of a hundred ``elif`` stand the objects of all of them, each of which was guarded again at each one.
"""

from __future__ import annotations

from typing import Any

from dpmigrate.analysis.domain.values import NOTHING, Value, join_guarded
from dpmigrate.analysis.guards import ALWAYS, Guard

_Guards = tuple[Guard, Any]
"""The guards of the branches that a value was carried out of: the outermost, and those within it, or None."""


class _Deferred(Value):
    """A value that was there in one branch only, for each of some branches around one another."""

    __slots__ = ("guards", "inner")

    def __init__(self, inner: Value, guards: _Guards) -> None:
        self.inner: Value | None = inner
        self.guards: _Guards | None = guards
        self._hash = None
        self._extent = None

    def __getattr__(self, name: str) -> Any:
        """The entries, the first time that they are asked for."""
        if name != "entries" or self.inner is None:
            raise AttributeError(name)
        value, told = self.inner, []
        guards = self.guards
        while guards is not None:
            told.append(guards[0])
            guards = guards[1]
        for guard in reversed(told):
            value = join_guarded([(value, guard), (NOTHING, ALWAYS)])
        self.entries = value.entries
        self.inner = self.guards = None
        return self.entries


class Carrying:
    """What the branches of one join leave where nothing was before, and only one of them left something."""

    def __init__(self) -> None:
        self._chains: dict[tuple[int, Guard], _Guards] = {}
        """By the guards so far and the new one: all that one branch leaves has the same, kept once."""

    def under(self, value: Value, guard: Guard) -> Value:
        """What such a branch left; the others leave nothing there."""
        inner, guards = value, None
        if isinstance(value, _Deferred) and value.inner is not None:
            inner, guards = value.inner, value.guards
        return _Deferred(inner, self._chains.setdefault((id(guards), guard), (guard, guards)))
