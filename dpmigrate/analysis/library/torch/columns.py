"""How many numbers a model gives for each example, [B, D], by the linear layer that it ends in."""

from __future__ import annotations

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Atom, Const, Obj
from dpmigrate.analysis.domain.values import Value
from dpmigrate.analysis.library.torch.structure import LAYERS, forward_of
from dpmigrate.analysis.source.tree import children

ELEMENTWISE = frozenset(
    f"torch.nn.{name}"
    for name in ("MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss", "BCELoss", "BCEWithLogitsLoss")
)
"""Criteria whose losses have the shape of the model's output."""

_SAME_SHAPE = frozenset(
    f"torch.nn.{name}" for name in ("Sigmoid", "Tanh", "ReLU", "Softplus", "Dropout", "Identity", "LeakyReLU")
)


def columns_of(ip: Interpreter, model: Atom, depth: int = 6) -> int | None:
    """How many outputs the linear layer has that a model ends in; None where it ends in anything else."""
    if not isinstance(model, Obj) or not depth:
        return None
    if model.kind == "instance":
        return _of_class(ip, model, depth)
    if model.data == "torch.nn.Linear":
        outputs = ip.read(model, "<outputs>")
        number = outputs.only if outputs is not None else None
        return number.value if isinstance(number, Const) and isinstance(number.value, int) else None
    if model.data == "torch.nn.Sequential":
        layers = LAYERS.of(ip).get(model, [])
        while layers and _keeps_the_shape(layers[-1]):
            layers = layers[:-1]
        last = layers[-1].only if layers else None
        return columns_of(ip, last, depth - 1) if last is not None else None
    return None


def _keeps_the_shape(layer: Value) -> bool:
    return isinstance(layer.only, Obj) and layer.only.data in _SAME_SHAPE


def _of_class(ip: Interpreter, model: Obj, depth: int) -> int | None:
    """A class whose ``forward`` ends in ``return self.layer(...)``, and returns nowhere else."""
    forward = forward_of(ip, model)
    if forward is None or not isinstance(forward.node, cst.FunctionDef):
        return None
    returned = list(_returns(forward.node.body))
    if len(returned) != 1 or returned[0].value is None:
        return None
    last = _resolved(forward.node, returned[0].value)
    while isinstance(last, cst.Call):
        layer = _own_layer(ip, model, last)
        if layer is None:
            return None
        if not _keeps_the_shape(layer):
            return columns_of(ip, layer.only, depth - 1) if layer.only is not None else None
        last = _resolved(forward.node, last.args[0].value) if last.args else None
    return None


def _own_layer(ip: Interpreter, model: Obj, call: cst.Call) -> Value | None:
    """The layer that ``self.layer(...)`` calls."""
    func = call.func
    if isinstance(func, cst.Attribute) and isinstance(func.value, cst.Name) and func.value.value == "self":
        return ip.read(model, func.attr.value)
    return None


def _resolved(function: cst.FunctionDef, value: cst.BaseExpression) -> cst.BaseExpression | None:
    """What a name was assigned last in the function's own statements; any other expression is itself."""
    if not isinstance(value, cst.Name):
        return value
    assigned: cst.BaseExpression | None = None
    for statement in function.body.body:
        for part in statement.body if isinstance(statement, cst.SimpleStatementLine) else ():
            if isinstance(part, cst.Assign) and len(part.targets) == 1:
                target = part.targets[0].target
                if isinstance(target, cst.Name) and target.value == value.value:
                    assigned = part.value
    return None if isinstance(assigned, cst.Name) else assigned


def _returns(node: cst.CSTNode) -> list[cst.Return]:
    if isinstance(node, cst.Return):
        return [node]
    if isinstance(node, (cst.FunctionDef, cst.Lambda, cst.ClassDef)):
        return []
    return [statement for child in children(node) for statement in _returns(child)]


def gives_classes_before_tokens(ip: Interpreter, model: Atom) -> bool:
    """Whether a model's ``forward`` returns ``h.transpose(1, 2)``: logits of tokens, [B, V, T]."""
    forward = forward_of(ip, model) if isinstance(model, Obj) and model.kind == "instance" else None
    if forward is None or not isinstance(forward.node, cst.FunctionDef):
        return False
    function = forward.node
    returned = [_resolved(function, one.value) for one in _returns(function.body) if one.value is not None]
    return bool(returned) and all(one is not None and turns_last_two(one) for one in returned)


def turns_last_two(node: cst.CSTNode) -> bool:
    """``h.transpose(1, 2)``, ``h.permute(0, 2, 1)`` of three dimensions."""
    if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute):
        return False
    numbers = [number_of(arg.value) for arg in node.args]
    if node.func.attr.value == "permute":
        return numbers == [0, 2, 1]
    return node.func.attr.value in ("transpose", "swapaxes") and numbers in _LAST_TWO


_LAST_TWO = ([1, 2], [2, 1], [1, -1], [-1, 1], [-1, -2], [-2, -1])


def number_of(node: cst.BaseExpression) -> int | None:
    if isinstance(node, cst.UnaryOperation) and isinstance(node.operator, cst.Minus):
        below = number_of(node.expression)
        return None if below is None else -below
    return node.evaluated_value if isinstance(node, cst.Integer) else None
