"""Variables, attributes and dict entries, kept as layers so that a branch costs what it writes."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator

from dpmigrate.analysis.guards import Guard
from dpmigrate.analysis.values import (
    NOTHING,
    Absent,
    Const,
    Entry,
    Obj,
    Unknown,
    Value,
    join_all,
    join_guarded,
)

Slot = tuple[Hashable, Hashable]
"""(owner, name): owner is a frame, a module, a class or an object."""
Delta = dict[Slot, Value]

ABSENT = Value((Entry(Absent()),))
MADE = Value((Entry(Const(True)),))
"""In the slot by which an object is known to be there: one of a branch is not there in the others."""


PARTS = ("parts",)
"""How the owner of the parts of something unknown begins; their slots are their symbols."""


class Store:
    """A mapping from slots to values with nested, joinable layers of changes."""

    def __init__(self) -> None:
        self.layers: list[Delta] = [{}]
        self.names: dict[Hashable, dict[Hashable, None]] = {}

    def get(self, owner: Hashable, name: Hashable) -> Value | None:
        """What the slot holds, or None when nothing was ever written there."""
        slot = (owner, name)
        for layer in reversed(self.layers):
            found = layer.get(slot)
            if found is not None:
                return found
        return None

    def set(self, owner: Hashable, name: Hashable, value: Value) -> None:
        """Strong update."""
        self.layers[-1][owner, name] = value
        self.names.setdefault(owner, {})[name] = None

    def keys(self, owner: Hashable) -> Iterator[Hashable]:
        """Every name that was ever written on an owner, in order."""
        return iter(tuple(self.names.get(owner, ())))

    def make(self, owner: Hashable) -> None:
        """An object comes to be. Where one was made before, the new one may lack what that one holds."""
        for name in self.keys(owner):
            held = self.get(owner, name)
            if held:
                self.set(owner, name, join_all([held, self._unset((owner, name))]))
        self.set(("made", owner), "", MADE)

    def unset(self, slot: Slot) -> Value:
        """What a slot holds that was never written: an entry or attribute of an object may be looked for."""
        if isinstance(slot[0], tuple) and slot[0][:1] == PARTS:
            return Value((Entry(Unknown(slot[1])),))
        return self._unset(slot) if self.get(("made", slot[0]), "") else NOTHING

    def _unset(self, slot: Slot) -> Value:
        return (
            ABSENT
            if isinstance(slot[1], tuple) or (isinstance(slot[0], Obj) and slot[0].kind == "instance")
            else NOTHING
        )

    @property
    def depth(self) -> int:
        """The number of layers."""
        return len(self.layers)

    def push(self) -> None:
        """Begin a layer: later changes go there."""
        self.layers.append({})

    def pop(self) -> Delta:
        """End the newest layer and hand its changes out."""
        return self.layers.pop()

    def snapshot(self, depth: int) -> Delta:
        """All changes since the layers numbered ``depth``, as one."""
        merged: Delta = {}
        for layer in self.layers[depth:]:
            merged.update(layer)
        return merged

    def apply(self, delta: Delta) -> None:
        """Write a layer's changes into the current one."""
        self.layers[-1].update(delta)

    def join(self, deltas: Iterable[tuple[Delta, Guard]]) -> bool:
        """Write the join of several alternative futures; says whether anything changed."""
        branches = list(deltas)
        if len(branches) == 1:
            changed = any(self.get(*slot) != value for slot, value in branches[0][0].items())
            self.apply(branches[0][0])
            return changed
        slots: dict[Slot, None] = {}
        for delta, _ in branches:
            slots.update(dict.fromkeys(delta))
        joined: Delta = {}
        for slot in slots:
            before = self.get(*slot)
            base = self.unset(slot) if before is None else before
            value = join_guarded((delta.get(slot, base), guard) for delta, guard in branches)
            if value != before:
                joined[slot] = value
        self.apply(joined)
        return bool(joined)
