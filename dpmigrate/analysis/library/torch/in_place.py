"""Operations that change the output of a hooked layer in place, as a model's ``forward`` shows them.

Since 1.5.4 Opacus hooks layers in a way that makes their output a view of what autograd keeps: ``out += x``,
``ReLU(inplace=True)`` and the like right behind a layer with parameters raise RuntimeError, in every clipping
mode. What an operation out of place made is a new tensor, which may be changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst

from dpmigrate.analysis.atoms import Atom, Obj
from dpmigrate.analysis.classes import find_member
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.ledger import Origin
from dpmigrate.analysis.tree import children, keyword_node
from dpmigrate.analysis.values import Class, Function

_HOOKED = frozenset(
    [
        *("Linear", "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "Bilinear"),
        *("GroupNorm", "LayerNorm", "RMSNorm", "BatchNorm1d", "BatchNorm2d", "BatchNorm3d"),
        *("Embedding", "EmbeddingBag", "PReLU", "SequenceBias"),
    ]
)
"""Layers with parameters. BatchNorm stands for what Opacus's validator puts in its place."""
_VIEWS = frozenset(
    [
        *(
            "Flatten",
            "Unflatten",
            "Identity",
            "flatten",
            "unflatten",
            "view",
            "reshape",
            "squeeze",
            "unsqueeze",
        ),
        *("permute", "transpose", "t", "swapaxes", "expand", "expand_as", "view_as", "contiguous"),
    ]
)
"""What gives the same memory back."""
_IN_PLACE_METHODS = frozenset(
    [
        "relu_",
        "add_",
        "sub_",
        "mul_",
        "div_",
        "clamp_",
        "sigmoid_",
        "tanh_",
        "elu_",
        "leaky_relu_",
        "masked_fill_",
    ]
)
_SECOND = frozenset(["LeakyReLU", "ELU", "CELU", "Dropout", "Dropout2d", "leaky_relu", "elu", "celu"])
"""Whose first argument is something else."""
_OF_TORCHVISION = (
    *("resnet", "resnext", "wide_resnet", "vgg", "alexnet", "densenet", "squeezenet", "mobilenet"),
    *("googlenet", "inception", "shufflenet", "mnasnet", "efficientnet", "regnet"),
)
"""Models of torchvision that activate in place behind a normalisation or a convolution."""
_MAX_DEPTH = 6


def changed_in_place(ip: Interpreter, model: Atom) -> Iterator[tuple[Origin, bool]]:
    """The operations in place behind a hooked layer: a layer's constructor, a call, or an assignment.

    With each, whether it is in a library's code, which the place only makes a model of.
    """
    reading = _Reading(ip)
    reading.layer(model, "", 0)
    for node, origin in reading.places.items():
        yield origin, node in reading.libraries


def _short(layer: Obj) -> str:
    return str(layer.data or "").rpartition(".")[2]


def _asked_in_place(call: cst.CSTNode | None, name: str, before: int) -> bool:
    """Whether a call says ``inplace=True``; ``before`` arguments come before those that a layer has."""
    given = keyword_node(call, "inplace")
    positional = [a.value for a in getattr(call, "args", ()) if a.keyword is None and not a.star]
    place = before + (name in _SECOND)
    value = given.value if given is not None else positional[place] if len(positional) > place else None
    return isinstance(value, cst.Name) and value.value == "True"


def _switched_off(ip: Interpreter) -> bool:
    """Whether the program sets ``inplace`` of its layers to False itself."""
    return ip.texts.hold(_SWITCHED_OFF)


_SWITCHED_OFF = re.compile(rb"""\.inplace\s*=\s*False|["']inplace["']\s*,\s*False""")


class _Reading:
    """One reading of a model from its input on. A tensor is "hooked", or "" where it may be changed."""

    def __init__(self, ip: Interpreter) -> None:
        self.ip = ip
        self.places: dict[cst.CSTNode, Origin] = {}
        self.libraries: set[cst.CSTNode] = set()
        self.switched_off = _switched_off(ip)

    def layer(self, layer: Atom, given: str, depth: int) -> str:
        """What a layer gives for a tensor."""
        if not isinstance(layer, Obj) or depth > _MAX_DEPTH:
            return ""
        if layer.kind == "instance" and isinstance(layer.data, Class):
            return self._instance(layer, given, depth)
        if layer.kind != "model" or layer.module is None or layer.node is None:
            return ""
        name = _short(layer)
        if name == "Sequential":
            for part in self._parts(layer):
                given = self.layer(part, given, depth + 1)
            return given
        if str(layer.data).startswith("torchvision.models.") and name.startswith(_OF_TORCHVISION):
            self.places.setdefault(layer.node, Origin(layer.module, layer.node, f"torchvision's {name}"))
            self.libraries.add(layer.node)
            return "hooked"
        if given and _asked_in_place(layer.node, name, 0) and not self.switched_off:
            self.places.setdefault(layer.node, Origin(layer.module, layer.node, f"{name}(inplace=True)"))
            return given
        return "hooked" if name in _HOOKED else given if name in _VIEWS else ""

    def _parts(self, container: Obj) -> list[Obj]:
        """The layers of a Sequential, in their order: as it was given them, or as its call has them."""
        given = [value.only for value in self.ip.notes.get(("layers", container), ())]
        layers = [layer for layer in given if isinstance(layer, Obj)]
        if layers and len(layers) == len(given):
            return layers
        made = {
            part.node: part for part in self.ip.notes.get(("holds", container), ()) if part.node is not None
        }
        found, stack = [], [container.node]
        while stack:
            node = stack.pop()
            if node in made and node is not container.node:
                found.append(made[node])
            elif node is not None:
                stack.extend(reversed(children(node)))
        return found if len(found) == len(made) else []

    def _instance(self, model: Obj, given: str, depth: int) -> str:
        layers: dict[str, Atom] = {}
        for slot in self.ip.store.keys(model):
            held = self.ip.store.get(model, slot)
            if isinstance(slot, str) and held is not None and held.only is not None:
                layers[slot] = held.only
        assert isinstance(model.data, Class)
        forward = find_member(self.ip, model.data, "forward")
        method = forward.only if forward is not None else None
        if not isinstance(method, Function) or not isinstance(method.node, cst.FunctionDef):
            return ""
        return _Forward(self, method, layers, given, depth).run()


class _Forward:
    """One reading of a ``forward``."""

    def __init__(
        self, reading: _Reading, method: Function, layers: dict[str, Atom], given: str, depth: int
    ) -> None:
        self.reading = reading
        self.method = method
        self.layers = layers
        self.depth = depth
        self.tensors: dict[str, str] = {}
        self.returned = ""
        assert isinstance(method.node, cst.FunctionDef)
        for parameter in method.node.params.params[1:2]:
            self.tensors[parameter.name.value] = given

    def run(self) -> str:
        """Read it; what it gives."""
        self._block(self.method.node.body)
        return self.returned

    def _block(self, node: cst.CSTNode) -> None:
        for child in children(node):
            if isinstance(child, cst.Assign):
                value = self._of(child.value)
                for target in child.targets:
                    if isinstance(target.target, cst.Name):
                        self.tensors[target.target.value] = value
            elif isinstance(child, cst.AugAssign):
                self._of(child.value)
                if isinstance(child.target, cst.Name) and self.tensors.get(child.target.value):
                    self._note(child, f"{child.target.value} is changed in place")
            elif isinstance(child, cst.Return):
                self.returned = self._of(child.value) if child.value is not None else ""
            elif isinstance(child, cst.Expr):
                self._of(child.value)
            elif isinstance(child, (cst.BaseSuite, cst.BaseStatement, cst.Else)) and not isinstance(
                child, (cst.FunctionDef, cst.ClassDef)
            ):
                self._block(child)

    def _note(self, node: cst.CSTNode, text: str) -> None:
        self.reading.places.setdefault(node, Origin(self.method.module, node, text))

    def _of(self, node: cst.BaseExpression) -> str:
        if isinstance(node, cst.Name):
            return self.tensors.get(node.value, "")
        if isinstance(node, cst.Subscript):
            return self._of(node.value)
        if isinstance(node, cst.Call):
            return self._call(node)
        for child in children(node):
            if isinstance(child, cst.BaseExpression):
                self._of(child)
        return ""

    def _call(self, node: cst.Call) -> str:
        func = node.func
        given = [self._of(arg.value) for arg in node.args]
        first = given[0] if given else ""
        name = (
            func.attr.value
            if isinstance(func, cst.Attribute)
            else func.value
            if isinstance(func, cst.Name)
            else ""
        )
        if isinstance(func, cst.Attribute) and isinstance(func.value, cst.Name):
            if func.value.value == "self" and name in self.layers:
                return self.reading.layer(self.layers[name], first, self.depth + 1)
            if func.value.value not in self.tensors:
                return self._function(node, name, first)
        if isinstance(func, cst.Attribute):
            receiver = self._of(func.value)
            if name in _IN_PLACE_METHODS and receiver:
                self._note(node, f"{name} changes in place")
            return receiver if name in _VIEWS or name in _IN_PLACE_METHODS else ""
        return self._function(node, name, first)

    def _function(self, node: cst.Call, name: str, first: str) -> str:
        if first and (_asked_in_place(node, name, 1) or name in _IN_PLACE_METHODS):
            self._note(node, f"{name} changes in place")
            return first
        return first if name in _VIEWS else ""
