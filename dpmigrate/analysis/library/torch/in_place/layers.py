"""Which layers the expressions of a ``forward`` mean: attributes, items of containers, variables of loops."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Protocol

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Atom, Obj
from dpmigrate.analysis.domain.ordering import in_order
from dpmigrate.analysis.language.holding import HOLDS
from dpmigrate.analysis.ledger import Origin
from dpmigrate.analysis.ledger.models import InPlaceBy
from dpmigrate.analysis.library.torch.structure import KEYED

_OVER_PARTS = frozenset(["enumerate", "reversed", "list", "tuple"])
_PARTS_OF = frozenset(["values", "items", "children", "named_children", "modules"])


class Layers(Protocol):
    """What a forward calls. A tensor is "hooked", "perhaps" where that hangs on a condition, or "".

    "" may be changed in place.
    """

    ip: Interpreter
    conditions: int
    """How many conditions the reading is behind, and containers whose layers are not known one by one."""

    def layer(self, layer: Atom, given: str, depth: int) -> str:
        """What a layer gives for a tensor."""

    def parts(self, container: Obj) -> tuple[list[Obj], bool]:
        """The layers of a container in their order, and whether they are known one by one."""

    def note(self, origin: Origin, given: str, by: InPlaceBy) -> None:
        """Record an operation that changes what it is given."""


class MeantLayers:
    """The layers of one model, as one of its methods speaks of them."""

    def __init__(self, reading: Layers, model: Obj | None, layers: dict[str, Atom], own_name: str) -> None:
        self.reading = reading
        self.model = model
        self.layers = layers
        self.own_name = own_name
        """What the method calls its model; empty for a function."""
        self.turns: dict[str, list[Atom]] = {}
        """Variables that hold layers: those of loops over layers above all."""

    def take_turns(self, target: cst.BaseExpression, over: cst.BaseExpression) -> bool:
        """Let the variables of a loop hold its layers; whether those are known one by one."""
        name = str(over.func.value) if isinstance(over, cst.Call) and isinstance(over.func, cst.Name) else ""
        elements = [e.value for e in target.elements] if isinstance(target, (cst.Tuple, cst.List)) else []
        if isinstance(over, cst.Call) and name == "zip" and len(elements) == len(over.args):
            pairs = zip(elements, over.args, strict=True)
            return all([self.take_turns(e, a.value) for e, a in pairs])  # noqa: C419 (each takes its turn)
        if isinstance(over, cst.Call) and over.args and name in _OVER_PARTS:
            return self.take_turns(elements[-1] if elements else target, over.args[-1].value)
        if isinstance(over, cst.Call) and isinstance(over.func, cst.Attribute):
            over = over.func.value if over.func.attr.value in _PARTS_OF else over
        layers, each_known = self.parts(over)
        variable = elements[-1] if elements else target
        if layers and isinstance(variable, cst.Name):
            self.turns[variable.value] = list(layers)
        return each_known

    def of(self, node: cst.BaseExpression) -> tuple[list[Atom], bool]:
        """The layers that an expression may be, and whether it can be nothing else."""
        if isinstance(node, cst.Name):
            return self.turns.get(node.value, []), True
        if isinstance(node, cst.Attribute):
            if isinstance(node.value, cst.Name) and node.value.value == self.own_name:
                held = self.layers.get(node.attr.value)
                return ([held], True) if held is not None else ([], True)
            return self._named(self.of(node.value)[0], node.attr.value), True
        if isinstance(node, cst.Subscript):
            return self._item(node)
        if isinstance(node, cst.Call) and isinstance(node.func, cst.Name) and node.func.value == "getattr":
            return self._got(node), True
        return [], True

    def _named(self, owners: Iterable[Atom], name: Hashable) -> list[Atom]:
        """The layer in an attribute of some layers, or under a key of some dicts."""
        store = self.reading.ip.store
        values = [store.get(owner, name) for owner in owners if isinstance(owner, Obj)]
        return [value.only for value in values if value is not None and value.only is not None]

    def _item(self, node: cst.Subscript) -> tuple[list[Atom], bool]:
        """``self.blocks[0]``, ``self.parts["head"]``: the one meant where that is written, else any."""
        parts, each_known = self.parts(node.value)
        index = node.slice[0].slice if len(node.slice) == 1 else None
        key = index.value if isinstance(index, cst.Index) else None
        if isinstance(key, cst.SimpleString):
            keyed_by = KEYED.of(self.reading.ip)
            owners = [d for o in self.of(node.value)[0] for d in keyed_by.get(o, ())]
            keyed = self._named(owners, ("key", key.evaluated_value))
            if keyed:
                return keyed, True
        if each_known and isinstance(key, cst.Integer) and int(key.value) < len(parts):
            return [parts[int(key.value)]], True
        return list(parts), True

    def _got(self, call: cst.Call) -> list[Atom]:
        """``getattr(self, f"conv{i}")``: the layers whose names begin and end like that."""
        owner = call.args[0].value if call.args else None
        if len(call.args) < 2 or not isinstance(owner, cst.Name) or owner.value != self.own_name:
            return []
        name = call.args[1].value
        if isinstance(name, cst.SimpleString):
            return self._named([self.model] if self.model is not None else [], str(name.evaluated_value))
        parts = name.parts if isinstance(name, cst.FormattedString) else ()
        first = parts[0].value if parts and isinstance(parts[0], cst.FormattedStringText) else ""
        last = parts[-1].value if parts and isinstance(parts[-1], cst.FormattedStringText) else ""
        fitting = [a for slot, a in self.layers.items() if slot.startswith(first) and slot.endswith(last)]
        if fitting or self.model is None:
            return fitting
        return in_order(HOLDS.of(self.reading.ip).get(self.model, ()))

    def parts(self, node: cst.BaseExpression) -> tuple[list[Obj], bool]:
        """The layers that the container ``self.blocks`` holds, and whether they are known one by one."""
        held = self.of(node)[0]
        container = held[0] if len(held) == 1 else None
        return self.reading.parts(container) if isinstance(container, Obj) else ([], True)
