"""Operations that change the output of a hooked layer in place, as a model's ``forward`` shows them.

Since 1.5.4 Opacus hooks layers in a way that makes their output a view of what autograd keeps: ``out += x``,
``ReLU(inplace=True)`` and the like right behind a layer with parameters raise RuntimeError, in every clipping
mode. What an operation out of place made is a new tensor, which may be changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import reduce

import libcst as cst

from dpmigrate.analysis.atoms import Atom, Obj
from dpmigrate.analysis.classes import find_member
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.ledger import Origin
from dpmigrate.analysis.ledger.models import InPlace
from dpmigrate.analysis.library.torch.trainable import wholly_frozen
from dpmigrate.analysis.ordering import in_order
from dpmigrate.analysis.tree import children, every, keyword_node
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
_NOT_IN_PLACE = frozenset(["requires_grad_", "share_memory_"])
"""What ends in an underscore, and leaves the values alone."""
_SECOND = frozenset(["LeakyReLU", "ELU", "CELU", "Dropout", "Dropout2d", "leaky_relu", "elu", "celu"])
"""Whose first argument is something else."""
_OF_TORCHVISION = (
    *("resnet", "resnext", "wide_resnet", "vgg", "alexnet", "densenet", "squeezenet", "mobilenet"),
    *("googlenet", "inception", "shufflenet", "mnasnet", "efficientnet", "regnet"),
)
"""Models of torchvision that activate in place behind a normalisation or a convolution."""
_FORWARD_REPLACED = re.compile(rb"""\.forward\s*=(?!=)|["']forward["']\s*,""")
"""The program gives a class or a layer another ``forward``: a library's model may then be another one."""
_MAX_DEPTH = 6


def changed_in_place(ip: Interpreter, model: Atom) -> Iterator[InPlace]:
    """The operations in place behind a hooked layer: a layer's constructor, a call, or an assignment.

    In a library's code, the place only makes a model of it.
    """
    reading = _Reading(ip)
    reading.layer(model, "", 0)
    for node, origin in reading.places.items():
        yield InPlace(origin, node in reading.libraries, node in reading.certain)


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
    """One reading of a model from its input on.

    A tensor is "hooked", "perhaps" where that hangs on a condition, or "" where it may be changed.
    """

    def __init__(self, ip: Interpreter) -> None:
        self.ip = ip
        self.places: dict[cst.CSTNode, Origin] = {}
        self.libraries: set[cst.CSTNode] = set()
        self.certain: set[cst.CSTNode] = set()
        self.conditions = 0
        """How many conditions the reading is behind, and containers whose layers are not known one by one."""
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
            parts, known = self.parts(layer)
            self.conditions += not known
            for part in parts:
                given = self.layer(part, given, depth + 1)
            self.conditions -= not known
            return given
        if wholly_frozen(self.ip, layer):  # Opacus hooks what is trained; what else the model was given since
            return ""
        if str(layer.data).startswith("torchvision.models.") and name.startswith(_OF_TORCHVISION):
            if not self.ip.texts.hold(_FORWARD_REPLACED):
                self.note(Origin(layer.module, layer.node, f"torchvision's {name}"), "hooked")
                self.libraries.add(layer.node)
            return "hooked"
        if given and _asked_in_place(layer.node, name, 0) and not self.switched_off:
            self.note(Origin(layer.module, layer.node, f"{name}(inplace=True)"), given)
            return given
        return "hooked" if name in _HOOKED else given if name in _VIEWS else ""

    def note(self, origin: Origin, given: str) -> None:
        """Record an operation that changes what it is given."""
        self.places.setdefault(origin.node, origin)
        if given == "hooked" and not self.conditions:
            self.certain.add(origin.node)

    def parts(self, container: Obj) -> tuple[list[Obj], bool]:
        """The layers of a container in their order: as it was given them, or as its call has them.

        And whether they are known one by one: those put in elsewhere come twice, each behind the others.
        """
        given = [value.only for value in self.ip.notes.get(("layers", container), ())]
        layers = [layer for layer in given if isinstance(layer, Obj)]
        if layers and len(layers) == len(given):
            return layers, True
        parts = in_order(self.ip.notes.get(("holds", container), ()))
        made = {part.node: part for part in parts if part.node is not None}
        found, stack = [], [container.node]
        while stack:
            node = stack.pop()
            if node in made and node is not container.node:
                found.append(made[node])
            elif node is not None:
                stack.extend(reversed(children(node)))
        in_a_loop = container.node is not None and any(
            isinstance(n, cst.CompFor) for n in every(container.node)
        )
        if len(found) == len(made) and not in_a_loop:
            return found, True
        return parts * 2, in_a_loop and len(made) == 1

    def _instance(self, model: Obj, given: str, depth: int) -> str:
        layers: dict[str, Atom] = {}
        for slot in self.ip.store.keys(model):
            held = self.ip.store.get(model, slot)
            if isinstance(slot, str) and held is not None and held.only is not None:
                layers[slot] = held.only
        assert isinstance(model.data, Class)
        return self.method(model.data, "forward", layers, [given], depth) or ""

    def method(
        self, model: Class, name: str, layers: dict[str, Atom], given: list[str], depth: int
    ) -> str | None:
        """What a method of a model gives for some tensors; None where it has none that is known."""
        found = find_member(self.ip, model, name)
        method = found.only if found is not None else None
        if not isinstance(method, Function) or not isinstance(method.node, cst.FunctionDef):
            return None
        return _Forward(self, model, method, layers, given, depth).run() if depth <= _MAX_DEPTH else ""


class _Forward:
    """One reading of a ``forward``, or of a method that it calls."""

    def __init__(
        self,
        reading: _Reading,
        model: Class,
        method: Function,
        layers: dict[str, Atom],
        given: list[str],
        depth: int,
    ) -> None:
        self.reading = reading
        self.model = model
        self.method = method
        self.layers = layers
        self.depth = depth
        self.tensors: dict[str, str] = {}
        self.turns: dict[str, list[Obj]] = {}
        """Variables of loops over layers, and those layers."""
        self.returned: str | None = None
        assert isinstance(method.node, cst.FunctionDef)
        for parameter, tensor in zip(method.node.params.params[1:], given, strict=False):
            self.tensors[parameter.name.value] = tensor

    def run(self) -> str:
        """Read it; what it gives."""
        self._block(self.method.node.body)
        return self.returned or ""

    def _block(self, node: cst.CSTNode) -> None:
        for child in children(node):
            if isinstance(child, cst.Assign):
                value = self._of(child.value)
                for target in child.targets:
                    self._bind(target.target, value)
            elif isinstance(child, cst.AnnAssign) and child.value is not None:
                self._bind(child.target, self._of(child.value))
            elif isinstance(child, cst.AugAssign):
                self._of(child.value)
                name = _base(child.target)
                given = self.tensors.get(name or "")
                if given:
                    self._note(child, f"{name} is changed in place", given)
            elif isinstance(child, cst.Return):
                value = self._of(child.value) if child.value is not None else ""
                self.returned = value if self.returned is None else _joined(self.returned, value)
            elif isinstance(child, cst.Expr):
                self._of(child.value)
            elif isinstance(child, cst.If):
                self._either(child)
            elif isinstance(child, cst.For):
                self._loop(child)
            elif isinstance(child, (cst.BaseSuite, cst.BaseStatement, cst.Else)) and not isinstance(
                child, (cst.FunctionDef, cst.ClassDef)
            ):
                self._block(child)

    def _bind(self, target: cst.BaseExpression, value: str) -> None:
        if isinstance(target, cst.Name):
            self.tensors[target.value] = value
            self.turns.pop(target.value, None)
        elif isinstance(target, cst.Subscript):
            name = _base(target)
            given = self.tensors.get(name or "")
            if given:
                self._note(target, f"a part of {name} is changed in place", given)

    def _either(self, node: cst.If) -> None:
        """What a tensor may be behind either branch, it may be behind both."""
        self._of(node.test)
        before = dict(self.tensors)
        self.reading.conditions += 1
        self._block(node.body)
        one = self.tensors
        self.tensors = before
        if isinstance(node.orelse, cst.If):
            self._either(node.orelse)
        elif node.orelse is not None:
            self._block(node.orelse.body)
        self.reading.conditions -= 1
        other = self.tensors
        self.tensors = {
            n: _joined(one.get(n, other.get(n)), other.get(n, one.get(n))) for n in {**one, **other}
        }

    def _loop(self, node: cst.For) -> None:
        """Each turn of a loop, over layers above all, goes on with what the one before has made."""
        over = node.iter
        if isinstance(over, cst.Call) and over.args:
            over = over.args[-1].value
        layers, known = self._container(over)
        name: cst.BaseExpression = node.target
        if isinstance(name, (cst.Tuple, cst.List)) and name.elements:
            name = name.elements[-1].value
        if layers and isinstance(name, cst.Name):
            self.turns[name.value] = layers
        self.reading.conditions += not known
        for _ in range(2):
            self._block(node.body)
        self.reading.conditions -= not known

    def _container(self, node: cst.BaseExpression) -> tuple[list[Obj], bool]:
        """The layers that ``self.blocks`` holds, and whether they are known one by one."""
        if not isinstance(node, cst.Attribute) or not isinstance(node.value, cst.Name):
            return [], True
        held = self.layers.get(node.attr.value) if node.value.value == "self" else None
        return self.reading.parts(held) if isinstance(held, Obj) and held.kind == "model" else ([], True)

    def _note(self, node: cst.CSTNode, text: str, given: str) -> None:
        self.reading.note(Origin(self.method.module, node, text), given)

    def _of(self, node: cst.BaseExpression) -> str:
        if isinstance(node, cst.Name):
            return self.tensors.get(node.value, "")
        if isinstance(node, cst.Subscript):
            return self._of(node.value)
        if isinstance(node, cst.Call):
            return self._call(node)
        if isinstance(node, cst.IfExp):
            self._of(node.test)
            return _joined(self._of(node.body), self._of(node.orelse))
        for child in children(node):
            if isinstance(child, cst.BaseExpression):
                self._of(child)
        return ""

    def _call(self, node: cst.Call) -> str:
        func = node.func
        given = [self._of(arg.value) for arg in node.args]
        first = given[0] if given else ""
        if isinstance(func, cst.Subscript):
            return self._some(self._container(func.value)[0], first)
        if isinstance(func, cst.Name):
            turn = self.turns.get(func.value)
            return self._function(node, func.value, first) if turn is None else self._some(turn, first)
        if not isinstance(func, cst.Attribute):
            return ""
        name = func.attr.value
        if isinstance(func.value, cst.Name):
            if func.value.value == "self" and name in self.layers:
                return self.reading.layer(self.layers[name], first, self.depth + 1)
            if func.value.value == "self":
                return self.reading.method(self.model, name, self.layers, given, self.depth + 1) or ""
            if func.value.value not in self.tensors:
                return self._function(node, name, first)
        receiver = self._of(func.value)
        if _in_place(name) and receiver:
            self._note(node, f"{name} changes in place", receiver)
        return receiver if name in _VIEWS or _in_place(name) else ""

    def _some(self, layers: list[Obj], given: str) -> str:
        """What one of some layers gives."""
        results = [self.reading.layer(layer, given, self.depth + 1) for layer in layers]
        return reduce(_joined, results) if results else ""

    def _function(self, node: cst.Call, name: str, first: str) -> str:
        if first and (_asked_in_place(node, name, 1) or _in_place(name)):
            self._note(node, f"{name} changes in place", first)
            return first
        return first if name in _VIEWS else ""


def _joined(one: str | None, other: str | None) -> str:
    """What a tensor is that is the one or the other."""
    return (one or "") if one == other else "perhaps"


def _in_place(name: str) -> bool:
    """Whether a method or function of torch changes what it is given."""
    return name.endswith("_") and not name.endswith("__") and name not in _NOT_IN_PLACE


def _base(node: cst.BaseExpression) -> str | None:
    """The variable ``x`` of ``x`` or ``x[:, 0]``."""
    while isinstance(node, cst.Subscript):
        node = node.value
    return node.value if isinstance(node, cst.Name) else None
