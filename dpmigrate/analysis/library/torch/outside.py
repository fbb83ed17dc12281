"""Parameters that a model uses outside the layer which has them, as its methods show.

Opacus measures what a layer's own call adds to a parameter. ``F.linear(h, self.embed.weight)`` adds to the
gradient past every hook (opacus, ``grad_sample/``, 1.0 to 1.6.0).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Atom, Obj
from dpmigrate.analysis.domain.values import Class
from dpmigrate.analysis.ledger import Origin
from dpmigrate.analysis.library.torch.structure import attributes_of, forward_of
from dpmigrate.analysis.library.torch.trainable import frozen_so_far
from dpmigrate.analysis.source.once import read_once
from dpmigrate.analysis.source.tree import every

_LAYERS = frozenset(
    f"torch.nn.{name}"
    for name in (
        "Linear",
        "Embedding",
        "EmbeddingBag",
        "Conv1d",
        "Conv2d",
        "Conv3d",
        "ConvTranspose2d",
        "Bilinear",
        "LayerNorm",
        "GroupNorm",
    )
)
_COMPUTING = frozenset(
    [
        *(
            "linear",
            "bilinear",
            "embedding",
            "embedding_bag",
            "conv1d",
            "conv2d",
            "conv3d",
            "conv_transpose2d",
        ),
        *("matmul", "mm", "bmm", "einsum", "addmm"),
    ]
)
"""Functions, and methods of tensors, that compute with a parameter, and not about it."""
_SAME_NUMBERS = frozenset(
    ["t", "T", "transpose", "permute", "contiguous", "view", "reshape", "unsqueeze", "mT"]
)
_OTHER_NUMBERS = frozenset(
    ["normalize", "softmax", "sigmoid", "tanh", "softplus", "relu", "abs", "exp", "clamp", "dropout"]
)
"""What makes other numbers of a parameter, through which the gradient goes."""


def parameters_outside(ip: Interpreter, model: Atom) -> Iterator[Origin]:
    """Where the methods of a model compute with a trained parameter of one of its layers."""
    if not isinstance(model, Obj) or model.kind != "instance" or not isinstance(model.data, Class):
        return
    if read_once(ip, _switches_gradients_off, model.data.node):
        return
    layers = {
        slot: held
        for slot, held in attributes_of(ip, model).items()
        if isinstance(held, Obj) and held.kind == "model" and held.data in _LAYERS
    }
    frozen = frozen_so_far(ip)
    if not layers or model in frozen:
        return
    forward = forward_of(ip, model)
    for node, name in read_once(ip, _Uses(forward.node if forward is not None else None), model.data.node):
        layer = layers.get(name.partition(".")[0])
        if layer is not None and layer not in frozen:
            yield Origin(model.data.module, node, f"self.{name}")


@dataclass(frozen=True)
class _Uses:
    """Looks for what a class computes with parameters that it holds, ``forward`` being the one given."""

    forward: cst.CSTNode | None

    def __call__(self, cls: cst.CSTNode) -> list[tuple[cst.CSTNode, str]]:
        computing = set(every(self.forward)) if self.forward is not None else set()
        held = _held_by_variables(cls)
        uses: list[tuple[cst.CSTNode, str]] = []
        for node in every(cls):
            names = [_parameter_of(operand, held) for operand in _operands(node, node in computing)]
            if node in computing or not all(names):  # of parameters alone: a penalty, or a figure
                uses += [(node, name) for name in names if name]
        return uses


def _held_by_variables(cls: cst.CSTNode) -> dict[cst.CSTNode, str]:
    """The reads of variables that hold a layer's parameter and nothing else in their function."""
    held: dict[cst.CSTNode, str] = {}
    for function in every(cls):
        if not isinstance(function, cst.FunctionDef):
            continue
        given: dict[str, set[str]] = {}
        for node in every(function.body):
            if isinstance(node, (cst.AnnAssign, cst.AugAssign, cst.NamedExpr, cst.For)):
                for part in every(node.target):
                    if isinstance(part, cst.Name):
                        given.setdefault(part.value, set()).add("")
            if isinstance(node, cst.Assign):
                name = _parameter_of(node.value)
                for target in node.targets:
                    for part in every(target.target):
                        if isinstance(part, cst.Name):
                            given.setdefault(part.value, set()).add(name if part is target.target else "")
        only = {name: next(iter(values)) for name, values in given.items() if len(values) == 1}
        for node in every(function.body):
            if isinstance(node, cst.Name) and only.get(node.value):
                held[node] = only[node.value]
    return held


def _switches_gradients_off(node: cst.CSTNode) -> bool:
    """Whether some code says ``no_grad``: then not all that it computes is trained."""
    return any(isinstance(n, cst.Name) and n.value in ("no_grad", "inference_mode") for n in every(node))


def _operands(node: cst.CSTNode, in_forward: bool) -> Iterator[cst.BaseExpression]:
    """What a product, or a call of a function that computes with parameters, is given.

    ``h * self.norm.weight`` counts in ``forward``; elsewhere it may be a penalty, or a mask.
    """
    elementwise = (cst.Multiply, cst.Add, cst.Subtract) if in_forward else ()
    products = (cst.MatrixMultiply, *elementwise)
    if isinstance(node, cst.BinaryOperation) and isinstance(node.operator, products):
        yield from (node.left, node.right)
    elif isinstance(node, cst.Call):
        func = node.func
        name = func.attr.value if isinstance(func, cst.Attribute) else getattr(func, "value", "")
        if name in _COMPUTING:
            yield from (arg.value for arg in node.args)


def _parameter_of(node: cst.BaseExpression, held: Mapping[cst.CSTNode, str] | None = None) -> str:
    """``embed.weight`` for ``self.embed.weight``, turned or reshaped; empty for anything else.

    ``held``: the reads of variables that hold one.
    """
    while True:
        if isinstance(node, cst.Name):
            return (held or {}).get(node, "")
        if isinstance(node, cst.Call) and (inner := _made_into_others(node)) is not None:
            node = inner
            continue
        if isinstance(node, cst.Call):
            node = node.func
        if not isinstance(node, cst.Attribute):
            return ""
        if node.attr.value not in _SAME_NUMBERS:
            break
        node = node.value
    layer = node.value
    if node.attr.value not in ("weight", "bias") or not isinstance(layer, cst.Attribute):
        return ""
    on_self = isinstance(layer.value, cst.Name) and layer.value.value == "self"
    return f"{layer.attr.value}.{node.attr.value}" if on_self else ""


def _made_into_others(call: cst.Call) -> cst.BaseExpression | None:
    """``w`` of ``F.normalize(w, dim=1)`` and ``w.tanh()``; None for any other call."""
    func = call.func
    if not isinstance(func, cst.Attribute) or func.attr.value not in _OTHER_NUMBERS:
        return None
    of_library = isinstance(func.value, cst.Name) and func.value.value in ("F", "torch")
    return call.args[0].value if of_library and call.args else func.value
