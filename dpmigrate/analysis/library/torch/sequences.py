"""Which Linear layers of a model certainly see sequences: inputs of shape (batch, time, features).

Before 1.5.4 Opacus takes the bias of such a layer for as many layers as there are time steps when it
computes ghost norms (opacus#751). Shapes are not in the text, so only what a sequence alone allows counts:
the output of a recurrent or attention layer, an index with three parts, and pooling over dimension 1 of
what goes into another layer afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from dpmigrate.analysis.atoms import Atom, Const, Obj
from dpmigrate.analysis.classes import find_member
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.ledger import Origin
from dpmigrate.analysis.ordering import in_order
from dpmigrate.analysis.tree import children, keyword_node
from dpmigrate.analysis.values import Class, Function

_RECURRENT = frozenset(["LSTM", "GRU", "RNN", "DPLSTM", "DPGRU", "DPRNN"])
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
        for part in in_order(ip.notes.get(("holds", model), ())):
            yield from _in_model(ip, part, depth + 1, seen)
        return
    if model.kind != "instance" or not isinstance(model.data, Class):
        return
    layers: dict[str, Obj] = {}
    for slot in ip.store.keys(model):
        held = ip.store.get(model, slot)
        only = held.only if held is not None else None
        if isinstance(slot, str) and isinstance(only, Obj) and only.kind in ("model", "instance"):
            layers[slot] = only
    forward = find_member(ip, model.data, "forward")
    method = forward.only if forward is not None else None
    if isinstance(method, Function) and isinstance(method.node, cst.FunctionDef):
        yield from _Forward(ip, method, layers).evidence()
    for layer in layers.values():
        yield from _in_model(ip, layer, depth + 1, seen)


def _short(layer: Obj) -> str:
    return str(layer.data or "").rpartition(".")[2] if layer.kind == "model" else ""


def _has_bias(ip: Interpreter, linear: Obj) -> bool:
    """Whether a Linear has a bias, as it does by default."""
    call = linear.node
    given = keyword_node(call, "bias")
    positional = [a.value for a in getattr(call, "args", ()) if a.keyword is None]
    value = given.value if given is not None else positional[2] if len(positional) > 2 else None
    if value is None:
        return True
    held = ip.store.get(linear, "<bias>")
    return held is not None and held.only == Const(True)


class _Forward:
    """One reading of a ``forward``: which of its names hold sequences, or the output of a Linear."""

    def __init__(self, ip: Interpreter, method: Function, layers: dict[str, Obj]) -> None:
        self.ip = ip
        self.method = method
        self.layers = layers
        self.sequences: set[str] = set()
        """Names that certainly hold a sequence."""
        self.from_linear: dict[str, cst.Call] = {}
        """Names that hold what a Linear with a bias gave, of a shape that is not known."""
        self.pooled: dict[str, cst.Call] = {}
        """Names that hold such an output after pooling over dimension 1."""
        self.places: dict[cst.Call, None] = {}

    def evidence(self) -> Iterator[Origin]:
        """The calls of Linear layers with a bias that certainly get sequences."""
        assert isinstance(self.method.node, cst.FunctionDef)
        self._block(self.method.node.body)
        for call in self.places:
            yield Origin(self.method.module, call, "a Linear with a bias on sequences")

    def _block(self, node: cst.CSTNode) -> None:
        for child in children(node):
            if isinstance(child, cst.Assign):
                self._assign(child)
            elif isinstance(child, (cst.Return, cst.Expr)) and child.value is not None:
                self._kind(child.value)
            elif isinstance(child, (cst.BaseSuite, cst.BaseStatement, cst.BaseSmallStatement, cst.Else)):
                self._block(child)

    def _assign(self, node: cst.Assign) -> None:
        target = node.targets[0].target
        kind, linear = self._kind(node.value)
        if isinstance(target, cst.Tuple) and target.elements and kind == "recurrent":
            first = target.elements[0].value
            if isinstance(first, cst.Name):
                self._bind(first.value, "sequence", None)
        elif isinstance(target, cst.Name):
            self._bind(target.value, kind, linear)

    def _bind(self, name: str, kind: str, linear: cst.Call | None) -> None:
        self.sequences.discard(name)
        self.from_linear.pop(name, None)
        self.pooled.pop(name, None)
        if kind == "sequence":
            self.sequences.add(name)
        if linear is not None:
            (self.pooled if kind == "pooled" else self.from_linear)[name] = linear

    def _kind(self, node: cst.BaseExpression) -> tuple[str, cst.Call | None]:
        """What an expression is ("sequence", "pooled", "recurrent", ""), and the Linear that it came from."""
        if isinstance(node, cst.Name):
            if node.value in self.pooled:
                return "pooled", self.pooled[node.value]
            return ("sequence" if node.value in self.sequences else ""), self.from_linear.get(node.value)
        if isinstance(node, cst.Subscript):
            return self._subscript(node)
        if isinstance(node, cst.Call):
            return self._call(node)
        if isinstance(node, cst.BinaryOperation):
            left, right = self._kind(node.left), self._kind(node.right)
            return ("sequence" if "sequence" in (left[0], right[0]) else ""), left[1] or right[1]
        for child in children(node):
            if isinstance(child, cst.BaseExpression):
                self._kind(child)
        return "", None

    def _subscript(self, node: cst.Subscript) -> tuple[str, cst.Call | None]:
        kind, linear = self._kind(node.value)
        if kind == "recurrent":
            return ("sequence" if _index(node) == 0 else ""), None
        if linear is not None and len(node.slice) == 3:
            self.places[linear] = None
        return "", None

    def _call(self, node: cst.Call) -> tuple[str, cst.Call | None]:
        func = node.func
        arguments = [self._kind(arg.value) for arg in node.args if arg.keyword is None]
        first = arguments[0] if arguments else ("", None)
        if not isinstance(func, cst.Attribute):
            return "", None
        name = func.attr.value
        of_self = isinstance(func.value, cst.Name) and func.value.value == "self"
        layer = self.layers.get(name) if of_self else None
        if layer is not None:
            return self._layer(node, layer, first)
        of_library = isinstance(func.value, cst.Name) and func.value.value in ("torch", "F", "functional")
        kind, linear = first if of_library else self._kind(func.value)
        if name in _POOLS and _over_time(node, of_library):
            return ("pooled", linear) if linear is not None else ("", None)
        return (kind, linear) if name in _ELEMENTWISE else ("", None)

    def _layer(
        self, node: cst.Call, layer: Obj, given: tuple[str, cst.Call | None]
    ) -> tuple[str, cst.Call | None]:
        kind, linear = given
        if kind == "pooled" and linear is not None and layer.kind == "model":
            # What is pooled and then goes into a layer had a dimension to spare.
            self.places[linear] = None
        name = _short(layer)
        if name in _RECURRENT:
            return "recurrent", None
        if name in _SEQUENCE_IN_AND_OUT:
            return "sequence", None
        if name in _ELEMENTWISE:
            return kind, linear
        if name in ("Linear", "NonDynamicallyQuantizableLinear"):
            biased = _has_bias(self.ip, layer)
            if kind == "sequence" and biased:
                self.places[node] = None
            return ("sequence" if kind == "sequence" else ""), node if biased else None
        if name == "Sequential":
            return self._chain(node, layer, given)
        return "", None

    def _chain(
        self, node: cst.Call, layer: Obj, given: tuple[str, cst.Call | None]
    ) -> tuple[str, cst.Call | None]:
        """A Sequential whose parts are written in its call, one after the other."""
        parts = self.ip.notes.get(("holds", layer), ())
        names = [_short(part) for part in parts if isinstance(part, Obj)]
        if not names or not all(n in _ELEMENTWISE or n == "Linear" for n in names):
            return "", None
        biased = any(_short(part) == "Linear" and _has_bias(self.ip, part) for part in parts)
        if given[0] == "sequence" and biased:
            self.places[node] = None
        return ("sequence" if given[0] == "sequence" else ""), node if biased else None


def _index(node: cst.Subscript) -> int | None:
    """The integer by which something is subscripted, if it is just one."""
    only = node.slice[0].slice if len(node.slice) == 1 else None
    if isinstance(only, cst.Index) and isinstance(only.value, cst.Integer):
        return only.value.evaluated_value
    return None


def _over_time(node: cst.Call, of_library: bool) -> bool:
    """Whether a pooling call goes over dimension 1."""
    positional = [arg.value for arg in node.args if arg.keyword is None][int(of_library) :]
    named = [
        arg.value for arg in node.args if arg.keyword is not None and arg.keyword.value in ("dim", "axis")
    ]
    given = named[0] if named else positional[0] if positional else None
    return isinstance(given, cst.Integer) and given.evaluated_value == 1
