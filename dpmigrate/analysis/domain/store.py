"""Variables, attributes and dict entries, kept as layers so that a branch costs what it writes."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from dpmigrate.analysis.domain.atoms import Absent, Const, Obj, Unknown
from dpmigrate.analysis.domain.deferred import Carrying
from dpmigrate.analysis.domain.joining import SlotJoin
from dpmigrate.analysis.domain.values import NOTHING, Entry, Seq, Value, join_all
from dpmigrate.analysis.guards import Guard

Slot = tuple[Hashable, Hashable]
"""(owner, name): owner is a frame, a module, a class or an object."""
Delta = dict[Slot, Value]

ABSENT = Value((Entry(Absent()),))
MADE = Value((Entry(Const(True)),))
"""In the slot by which an object is known to be there: one of a branch is not there in the others."""


PARTS = ("parts",)
"""How the owner of the parts of something unknown begins; their slots are their symbols."""


def objects_in(value: Value) -> Iterator[Obj]:
    """The objects that a value may be, or that are in a list which it may be."""
    for atom in value.atoms:
        if isinstance(atom, Obj):
            yield atom
        elif isinstance(atom, Seq):
            yield from (a for item in atom.items or () for a in item.atoms if isinstance(a, Obj))


class Store:
    """A mapping from slots to values with nested, joinable layers of changes.

    What the layers above the lowest hold together stands in one dict besides: slots are read far more
    often than layers come and go, and hashing one is what a look into each layer would cost.
    """

    def __init__(self) -> None:
        self.names: dict[Hashable, dict[Hashable, None]] = {}
        self.holders: dict[Obj, dict[Obj, None]] = {}
        """The objects of which something has ever been an attribute: to be asked again what they hold now."""
        self._layers: list[Delta] = [{}]
        self._above: Delta = {}
        """What the layers above the lowest hold, the newest first."""
        self._hidden: list[dict[Slot, Value | None]] = [{}]
        """For each layer what ``_above`` held, before it, in the slots that it changed."""
        self._left: Delta = {}
        """What objects held on ways that ended the program: no layer goes on from there."""

    def get(self, owner: Hashable, name: Hashable) -> Value | None:
        """What the slot holds, or None when nothing was ever written there."""
        return self._held((owner, name))

    def _held(self, slot: Slot) -> Value | None:
        value = self._above.get(slot)
        return self._layers[0].get(slot) if value is None else value

    def set(self, owner: Hashable, name: Hashable, value: Value) -> None:
        """Strong update."""
        self._write((owner, name), value)
        self.names.setdefault(owner, {})[name] = None
        if isinstance(owner, Obj):
            self.hold(owner, objects_in(value))

    def hold(self, owner: Obj, parts: Iterable[Obj]) -> None:
        """From now on the owner is among those that may hold the parts."""
        for part in parts:
            self.holders.setdefault(part, {})[owner] = None

    def _write(self, slot: Slot, value: Value) -> None:
        layer = self._layers[-1]
        if len(self._layers) > 1:
            if slot not in layer:
                self._hidden[-1][slot] = self._above.get(slot)
            self._above[slot] = value
        layer[slot] = value

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
        return len(self._layers)

    def push(self) -> None:
        """Begin a layer: later changes go there."""
        self._layers.append({})
        self._hidden.append({})

    def pop(self) -> Delta:
        """End the newest layer and hand its changes out."""
        for slot, value in self._hidden.pop().items():
            if value is None:
                del self._above[slot]
            else:
                self._above[slot] = value
        return self._layers.pop()

    def leave(self) -> None:
        """The program ends here: what its objects hold by now is kept, since this way is joined with none."""
        for slot, value in self._above.items():
            owner = slot[0]
            if isinstance(owner, Obj) or (isinstance(owner, tuple) and owner[:1] == ("made",)):
                before = self._left.get(slot)
                self._left[slot] = value if before is None or before == value else join_all([before, value])

    def recall(self) -> None:
        """Objects of which no way that went on knows hold what they held where the program ended."""
        for slot, value in self._left.items():
            if self._held(slot) is None:
                self._write(slot, value)
        self._left.clear()

    @contextmanager
    def standing_on(self, depth: int, *deltas: Delta) -> Iterator[None]:
        """For a while the lowest ``depth`` layers, with some changes above them, are all that there is."""
        saved = self._layers, self._above, self._hidden
        lowest = self._layers[:depth] or [{}]
        self._layers, self._above, self._hidden = lowest[:1], {}, [{}]
        for delta in (*lowest[1:], *deltas):
            self.push()
            self.apply(delta)
        self._layers[1:depth] = lowest[1:]
        try:
            yield
        finally:
            self._layers, self._above, self._hidden = saved

    def snapshot(self, depth: int) -> Delta:
        """All changes since the layers numbered ``depth``, as one."""
        merged: Delta = {}
        for layer in self._layers[depth:]:
            merged.update(layer)
        return merged

    def apply(self, delta: Delta) -> None:
        """Write a layer's changes into the current one."""
        for slot, value in delta.items():
            self._write(slot, value)

    def join(self, deltas: Sequence[tuple[Delta, Guard]]) -> bool:
        """Write the join of several alternative futures; says whether anything changed."""
        if len(deltas) == 1:
            (only, _), *_ = deltas
            changed = any(self._held(slot) != value for slot, value in only.items())
            self.apply(only)
            return changed
        written: dict[Slot, dict[int, Value]] = {}
        for number, (delta, _) in enumerate(deltas):
            for slot, value in delta.items():
                written.setdefault(slot, {})[number] = value
        joined: Delta = {}
        carrying, joining = Carrying(), SlotJoin([guard for _, guard in deltas])
        for slot, by_branch in written.items():
            before = self._held(slot)
            base = self.unset(slot) if before is None else before
            if before is None and len(by_branch) == 1 and not base:
                ((number, value),) = by_branch.items()
                joined[slot] = carrying.under(value, deltas[number][1])
                continue
            value = joining.value(by_branch, base)
            if value is not before and value != before:
                joined[slot] = value
        self.apply(joined)
        return bool(joined)
