"""Whether a model gives one column for each example, of shape [B, 1], by the layer that it ends in."""

from __future__ import annotations

import libcst as cst

from dpmigrate.analysis.atoms import Atom, Const, Obj
from dpmigrate.analysis.classes import find_member
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.tree import children
from dpmigrate.analysis.values import Function, Value

ELEMENTWISE = frozenset(
    f"torch.nn.{name}"
    for name in ("MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss", "BCELoss", "BCEWithLogitsLoss")
)
"""Criteria whose losses have the shape of the model's output."""

_SAME_SHAPE = frozenset(
    f"torch.nn.{name}" for name in ("Sigmoid", "Tanh", "ReLU", "Softplus", "Dropout", "Identity", "LeakyReLU")
)


def one_column(ip: Interpreter, model: Atom, depth: int = 6) -> bool:
    """Whether a model certainly ends in a linear layer with one output, and nothing takes the column away."""
    if not isinstance(model, Obj) or not depth:
        return False
    if model.kind == "instance":
        return _of_class(ip, model, depth)
    if model.data == "torch.nn.Linear":
        outputs = ip.read(model, "<outputs>")
        return outputs is not None and outputs.only == Const(1)
    if model.data == "torch.nn.Sequential":
        layers = ip.notes.get(("layers", model), [])
        while layers and _keeps_the_shape(layers[-1]):
            layers = layers[:-1]
        last = layers[-1].only if layers else None
        return last is not None and one_column(ip, last, depth - 1)
    return False


def _keeps_the_shape(layer: Value) -> bool:
    return isinstance(layer.only, Obj) and layer.only.data in _SAME_SHAPE


def _of_class(ip: Interpreter, model: Obj, depth: int) -> bool:
    """A class whose ``forward`` ends in ``return self.layer(...)``, and returns nowhere else."""
    forward = find_member(ip, model.data, "forward")
    made = forward.only if forward is not None else None
    if not isinstance(made, Function) or not isinstance(made.node, cst.FunctionDef):
        return False
    returned = list(_returns(made.node.body))
    if len(returned) != 1 or returned[0].value is None:
        return False
    last = _resolved(made.node, returned[0].value)
    while isinstance(last, cst.Call):
        layer = _own_layer(ip, model, last)
        if layer is None:
            return False
        if not _keeps_the_shape(layer):
            return layer.only is not None and one_column(ip, layer.only, depth - 1)
        last = _resolved(made.node, last.args[0].value) if last.args else None
    return False


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
    found: cst.BaseExpression | None = None
    for statement in function.body.body:
        for part in statement.body if isinstance(statement, cst.SimpleStatementLine) else ():
            if isinstance(part, cst.Assign) and len(part.targets) == 1:
                target = part.targets[0].target
                if isinstance(target, cst.Name) and target.value == value.value:
                    found = part.value
    return None if isinstance(found, cst.Name) else found


def _returns(node: cst.CSTNode) -> list[cst.Return]:
    if isinstance(node, cst.Return):
        return [node]
    if isinstance(node, (cst.FunctionDef, cst.Lambda, cst.ClassDef)):
        return []
    return [found for child in children(node) for found in _returns(child)]
