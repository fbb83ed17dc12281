"""A model that standardises by the batch: ``h - h.mean(0)``, ``h / h.std(dim=0)`` in a ``forward``.

Opacus takes dimension 0 for the examples of a batch unless ``make_private`` is told ``batch_first=False``.
"""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from dpmigrate.analysis.atoms import Atom, Obj
from dpmigrate.analysis.classes import find_member
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.holding import parts_of
from dpmigrate.analysis.ledger import Origin
from dpmigrate.analysis.ordering import in_order
from dpmigrate.analysis.tree import every
from dpmigrate.analysis.values import Class, Function

_STATISTICS = frozenset(["mean", "std", "var"])
_TURNED = frozenset(
    ["transpose", "permute", "t", "T", "mT", "swapaxes", "movedim", "view", "reshape", "rearrange"]
)
"""What may make dimension 0 another one than that of the examples."""


def batch_statistics(ip: Interpreter, model: Atom, depth: int = 3) -> Iterator[tuple[Origin, bool]]:
    """Where a model, or a part of it, does so, and whether dimension 0 is surely the batch."""
    if not isinstance(model, Obj) or model.kind != "instance" or not isinstance(model.data, Class):
        return
    member = find_member(ip, model.data, "forward")
    forward = member.only if member is not None else None
    if isinstance(forward, Function):
        names = {n.value for n in every(forward.node) if isinstance(n, cst.Name)}
        for node in every(forward.node):
            if isinstance(node, cst.BinaryOperation) and isinstance(
                node.operator, (cst.Subtract, cst.Divide)
            ):
                text = _statistic_of(node.left, node.right)
                if text:
                    yield Origin(forward.module, node, text), not names & _TURNED
    for part in in_order(set(parts_of(ip, model)) - {model}) if depth else ():
        yield from batch_statistics(ip, part, depth - 1)


def _statistic_of(left: cst.BaseExpression, right: cst.BaseExpression) -> str:
    """``h.mean(0)`` where a tensor meets its own statistic over dimension 0; empty for anything else."""
    if not isinstance(left, cst.Name):
        # (h - h.mean(0)) / h.std(0): the difference is found by itself.
        return ""
    for call in every(right):
        if not isinstance(call, cst.Call) or not isinstance(call.func, cst.Attribute):
            continue
        name, owner = call.func.attr.value, call.func.value
        if name not in _STATISTICS or not isinstance(owner, cst.Name):
            continue
        of_library = owner.value == "torch"
        given = [arg for arg in call.args if arg.keyword is None]
        tensor = given[0].value if of_library and given else owner
        dimension = next(
            (a.value for a in call.args if a.keyword and a.keyword.value in ("dim", "axis")), None
        )
        if dimension is None and len(given) > of_library:
            dimension = given[int(of_library)].value
        zero = isinstance(dimension, cst.Integer) and dimension.evaluated_value == 0
        if zero and isinstance(tensor, cst.Name) and tensor.value == left.value:
            return f"{left.value}.{name}(0)"
    return ""
