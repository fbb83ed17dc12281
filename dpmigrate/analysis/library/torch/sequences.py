"""Which Linear layers of a model certainly see sequences: inputs of shape (batch, time, features).

Before 1.5.4 Opacus takes the bias of such a layer for as many layers as there are time steps when it
computes ghost norms (opacus#751). Shapes are not in the text, so only what a sequence alone allows counts:
the output of a recurrent or attention layer, a shape that is taken apart into three, an index with three
parts, keys that are transposed for queries, pooling over dimension 1 of what goes into another layer
afterwards, and a layer after flattening that takes another number of features than there were.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Atom, Const, Obj
from dpmigrate.analysis.domain.ordering import in_order
from dpmigrate.analysis.domain.values import Class, Function
from dpmigrate.analysis.language.holding import HOLDS
from dpmigrate.analysis.ledger import Origin
from dpmigrate.analysis.library.torch.dimensions import (
    flattens,
    index,
    is_turned,
    items_of,
    over_time,
    taken_apart_into_three,
    takes_one_step,
)
from dpmigrate.analysis.library.torch.structure import KEYED, LAYERS, attributes_of, forward_of
from dpmigrate.analysis.source.tree import children, keyword_node

RECURRENT = frozenset(["LSTM", "GRU", "RNN", "DPLSTM", "DPGRU", "DPRNN"])
"""Layers that return (output, state), the output being a sequence."""
_SEQUENCE_IN_AND_OUT = frozenset(
    ["TransformerEncoder", "TransformerEncoderLayer", "MultiheadAttention", "DPMultiheadAttention"]
)
"""Layers that are made of Linear layers with a bias on sequences."""
_ELEMENTWISE_LAYERS = (
    *("ReLU", "GELU", "SiLU", "ELU", "LeakyReLU", "Tanh", "Sigmoid", "Softplus"),
    *("Dropout", "LayerNorm", "Identity"),
)
_ELEMENTWISE_FUNCTIONS = (
    *("relu", "gelu", "silu", "elu", "leaky_relu", "tanh", "sigmoid", "softplus"),
    *("dropout", "layer_norm", "contiguous", "float"),
)
_ELEMENTWISE = frozenset([*_ELEMENTWISE_LAYERS, *_ELEMENTWISE_FUNCTIONS])
_TAKING_FEATURES = frozenset(["Linear", "LayerNorm", "BatchNorm1d", "GroupNorm", "RMSNorm"])
"""Layers that take examples of so many features, and no single numbers."""
_POOLS = frozenset(["mean", "sum", "max", "amax", "min", "amin"])
_MAX_DEPTH = 4


def linear_on_sequences(ip: Interpreter, model: Atom) -> Iterator[Origin]:
    """Where a model applies a Linear layer with a bias to sequences, as its ``forward`` shows."""
    yield from _in_model(ip, model, 0, set())


def _in_model(ip: Interpreter, model: Atom, depth: int, seen: set[Atom]) -> Iterator[Origin]:
    if model in seen or depth > _MAX_DEPTH or not isinstance(model, Obj):
        return
    seen.add(model)
    if model.kind == "model":
        if _short(model) in _SEQUENCE_IN_AND_OUT and model.module is not None and model.node is not None:
            yield Origin(model.module, model.node, f"{_short(model)} applies Linear layers to sequences")
        if _short(model) == "Sequential":
            yield from _Forward(ip, None, {}).evidence_of(model)
        for part in in_order(HOLDS.of(ip).get(model, ())):
            yield from _in_model(ip, part, depth + 1, seen)
        return
    if model.kind != "instance" or not isinstance(model.data, Class):
        return
    layers = _layers_of(ip, model)
    method = forward_of(ip, model)
    if method is not None and isinstance(method.node, cst.FunctionDef):
        yield from _Forward(ip, method, layers).evidence()
    for layer in layers.values():
        yield from _in_model(ip, layer, depth + 1, seen)


def _layers_of(ip: Interpreter, model: Obj) -> dict[str, Obj]:
    return {
        slot: held
        for slot, held in attributes_of(ip, model).items()
        if isinstance(held, Obj) and held.kind in ("model", "instance")
    }


def _short(layer: Obj) -> str:
    return str(layer.data or "").rpartition(".")[2] if layer.kind == "model" else ""


def _has_bias(ip: Interpreter, linear: Obj) -> bool:
    """Whether a Linear has a bias, as it does by default."""
    held = ip.store.get(linear, "<bias>")
    if held:
        return held.only == Const(True)
    # What nobody gives is True, unless it stands in options that are not known.
    written = [*getattr(linear.node, "args", ())]
    return keyword_node(linear.node, "bias") is None and (
        not any(a.star for a in written) or held is not None
    )


class _Place(NamedTuple):
    """A call of a Linear with a bias, or of a chain of layers that has one."""

    origin: Origin
    features: object
    """How many features it gives; None where that is not known."""


class _Held(NamedTuple):
    """What an expression holds: a "sequence", one "pooled" or made "flat", or "recurrent" (with a state); and
    the Linear that it came from, if its shape tells what that got."""

    kind: str = ""
    linear: _Place | None = None


_NOTHING = _Held()


class _Forward:
    """One reading of a ``forward``: which of its names hold sequences, or the output of a Linear."""

    def __init__(
        self, ip: Interpreter, method: Function | None, layers: dict[str, Obj], given: _Held = _NOTHING
    ) -> None:
        self.ip = ip
        self.method = method
        self.layers = layers
        self.names: dict[str, _Held] = {}
        self.called: dict[str, Obj] = {}
        """Variables that hold a layer."""
        self.given = given
        self.returned = _NOTHING
        self.depth = 0
        self.places: dict[Origin, None] = {}

    def evidence(self) -> Iterator[Origin]:
        """The calls of Linear layers with a bias that certainly get sequences."""
        self._read()
        yield from self.places

    def evidence_of(self, chain: Obj) -> Iterator[Origin]:
        """The same of a Sequential, which has no ``forward`` in the text."""
        assert chain.module is not None
        assert chain.node is not None
        self._chain(Origin(chain.module, chain.node, _LINEAR), chain, _NOTHING)
        yield from self.places

    def _read(self) -> None:
        assert self.method is not None
        assert isinstance(self.method.node, cst.FunctionDef)
        params = self.method.node.params.params
        if len(params) > 1:
            self.names[params[1].name.value] = self.given
        self._block(self.method.node.body)

    def _block(self, node: cst.CSTNode) -> None:
        for child in children(node):
            if isinstance(child, cst.Assign):
                self._assign(child)
            elif isinstance(child, cst.Return) and child.value is not None:
                self.returned = self._kind(child.value)
            elif isinstance(child, cst.Expr):
                self._kind(child.value)
            elif isinstance(child, cst.For):
                self._each(child)
            elif isinstance(child, (cst.BaseSuite, cst.BaseStatement, cst.BaseSmallStatement, cst.Else)):
                self._block(child)

    def _each(self, loop: cst.For) -> None:
        """``for block in self.blocks: h = block(h)``, as one turn of it has it."""
        given, target = items_of(loop)
        held = self._called_layer(given)
        if held is not None and isinstance(target, cst.Name):
            parts = in_order(HOLDS.of(self.ip).get(held, ()))
            self.called.update((target.value, part) for part in parts[:1] if isinstance(part, Obj))
        self._block(loop.body)

    def _assign(self, node: cst.Assign) -> None:
        target = node.targets[0].target
        if isinstance(target, cst.Tuple) and isinstance(node.value, cst.Tuple):
            for one, other in zip(target.elements, node.value.elements, strict=False):
                if isinstance(one.value, cst.Name):
                    self.names[one.value.value] = self._kind(other.value)
            return
        taken = taken_apart_into_three(target, node.value)
        if taken is not None:
            self._is_sequence(self._kind(taken))
            if isinstance(taken, cst.Name):
                self.names[taken.value] = _Held("sequence", self._kind(taken).linear)
            return
        held = self._kind(node.value)
        if isinstance(target, cst.Tuple):
            for number, element in enumerate(target.elements):
                if isinstance(element.value, cst.Name):
                    first = held.kind == "recurrent" and number == 0
                    part = _Held("sequence") if first else _NOTHING if held.kind == "recurrent" else held
                    self.names[element.value.value] = part
        elif isinstance(target, cst.Name):
            self.names[target.value] = held

    def _is_sequence(self, held: _Held) -> None:
        """What it holds has a dimension for time, and so had what its Linear was given."""
        if held.linear is not None:
            self.places[held.linear.origin] = None

    def _kind(self, node: cst.BaseExpression) -> _Held:
        """What an expression holds."""
        if isinstance(node, cst.Name):
            return self.names.get(node.value, _NOTHING)
        if isinstance(node, cst.Subscript):
            return self._subscript(node)
        if isinstance(node, cst.Call):
            return self._call(node)
        if isinstance(node, cst.BinaryOperation):
            left, right = self._kind(node.left), self._kind(node.right)
            if isinstance(node.operator, cst.MatrixMultiply):
                return self._product(left, right, node.right)
            kind = "sequence" if "sequence" in (left.kind, right.kind) else ""
            return _Held(kind, left.linear or right.linear)
        for child in children(node):
            if isinstance(child, cst.BaseExpression):
                self._kind(child)
        return _NOTHING

    def _product(self, left: _Held, right: _Held, turned: cst.BaseExpression) -> _Held:
        """``queries @ keys.transpose(-2, -1)``: for each of many, its similarity to each of the others."""
        if is_turned(turned):
            self._is_sequence(left)
            self._is_sequence(right)
            return _Held("sequence")
        return _Held("sequence") if "sequence" in (left.kind, right.kind) else _NOTHING

    def _subscript(self, node: cst.Subscript) -> _Held:
        held = self._kind(node.value)
        if held.kind == "recurrent":
            return _Held("sequence" if index(node) == 0 else "")
        if len(node.slice) == 3:
            self._is_sequence(held)
        return _Held("pooled", held.linear) if takes_one_step(node) else _NOTHING

    def _call(self, node: cst.Call) -> _Held:
        func = node.func
        arguments = [self._kind(arg.value) for arg in node.args if arg.keyword is None]
        first = arguments[0] if arguments else _NOTHING
        layer = self._called_layer(func)
        if layer is not None:
            assert self.method is not None
            return self._layer(Origin(self.method.module, node, _LINEAR), layer, first)
        if not isinstance(func, cst.Attribute):
            return _NOTHING
        name = func.attr.value
        of_library = isinstance(func.value, cst.Name) and func.value.value in ("torch", "F", "functional")
        held = first if of_library else self._kind(func.value)
        if name == "scaled_dot_product_attention":
            for argument in arguments:
                self._is_sequence(argument)
            return _Held("sequence")
        if name in ("matmul", "bmm") and node.args:
            operands = arguments if of_library else [held, *arguments]
            turned = node.args[-1].value
            return self._product(operands[0], operands[-1], turned)
        if name in _POOLS and over_time(node, of_library):
            return _Held("pooled", held.linear) if held.linear is not None else _NOTHING
        if flattens(node, of_library):
            return _Held("flat", held.linear)
        if name in _PARTED:
            return _Held(held.kind if name != "transpose" else "", held.linear)
        return held if name in _ELEMENTWISE else _NOTHING

    def _called_layer(self, func: cst.BaseExpression) -> Obj | None:
        if isinstance(func, cst.Name):
            return self.called.get(func.value)
        if isinstance(func, cst.Subscript):
            container = self._called_layer(func.value)
            return _part_by_key(self.ip, container, func) if container is not None else None
        if (
            isinstance(func, cst.Attribute)
            and isinstance(func.value, cst.Name)
            and func.value.value == "self"
        ):
            return self.layers.get(func.attr.value)
        return None

    def _layer(self, at: Origin, layer: Obj, given: _Held) -> _Held:
        kind, linear = given
        name = _short(layer)
        if kind == "pooled" and name in _TAKING_FEATURES:
            # What is pooled and then goes into such a layer had a dimension to spare.
            self._is_sequence(given)
        if name in RECURRENT:
            return _Held("recurrent")
        if name in _SEQUENCE_IN_AND_OUT:
            return _Held("sequence")
        if name in _ELEMENTWISE:
            return given
        if name == "Flatten":
            return _Held("flat", linear)
        if name in ("Linear", "NonDynamicallyQuantizableLinear"):
            return self._linear(at, layer, given)
        if name == "Sequential":
            return self._chain(at, layer, given)
        return self._of_class(layer, given)

    def _linear(self, at: Origin, layer: Obj, given: _Held) -> _Held:
        biased = _has_bias(self.ip, layer)
        if given.kind == "flat" and given.linear is not None:
            taken = _number(self.ip, layer, "<inputs>")
            if None not in (taken, given.linear.features) and taken != given.linear.features:
                self._is_sequence(given)
        if given.kind == "sequence" and biased:
            self.places[at] = None
        place = _Place(at, _number(self.ip, layer, "<outputs>")) if biased else None
        return _Held("sequence" if given.kind == "sequence" else "", place)

    def _of_class(self, layer: Obj, given: _Held) -> _Held:
        """A part that is a class of the program: what its own ``forward`` makes of it."""
        method = forward_of(self.ip, layer)
        if method is None or not isinstance(method.node, cst.FunctionDef) or self.depth >= _MAX_DEPTH:
            return _NOTHING
        inner = _Forward(self.ip, method, _layers_of(self.ip, layer), given)
        inner.depth = self.depth + 1
        inner._read()
        self.places.update(inner.places)
        return inner.returned

    def _chain(self, at: Origin, layer: Obj, given: _Held) -> _Held:
        """A Sequential whose parts are written in its call, one after the other, or are all alike."""
        written = LAYERS.of(self.ip).get(layer, [])
        alike = in_order(HOLDS.of(self.ip).get(layer, ()))
        parts = [part.only for part in written] or (alike if len(alike) == 1 else [])
        held = given
        for part in parts:
            if not isinstance(part, Obj):
                return _NOTHING
            held = self._layer(at, part, held)
        return held


def _number(ip: Interpreter, layer: Obj, slot: str) -> object:
    held = ip.store.get(layer, slot)
    return held.only.value if held is not None and isinstance(held.only, Const) else None


_LINEAR = "a Linear with a bias on sequences"
_PARTED = frozenset(["chunk", "split", "unbind", "transpose", "masked_fill", "softmax"])
"""What leaves it to what it is called on where that came from."""


def _part_by_key(ip: Interpreter, container: Obj, node: cst.Subscript) -> Obj | None:
    """``self.parts["query"]``, and the one part that stands for all of a comprehension; else None."""
    parts = in_order(HOLDS.of(ip).get(container, ()))
    only = node.slice[0].slice if len(node.slice) == 1 else None
    key = only.value if isinstance(only, cst.Index) else None
    wanted = key.evaluated_value if isinstance(key, (cst.SimpleString, cst.Integer)) else None
    keyed = [
        held.only
        for entries in KEYED.of(ip).get(container, ())
        if wanted is not None and (held := ip.read(entries, ("key", wanted))) is not None
    ]
    layers = LAYERS.of(ip).get(container, [])
    if isinstance(wanted, int) and -len(layers) <= wanted < len(layers):
        keyed = [layers[wanted].only]
    part = keyed[0] if len(keyed) == 1 else parts[0] if len(parts) == 1 else None
    return part if isinstance(part, Obj) else None
