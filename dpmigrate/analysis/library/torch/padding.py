"""Batches that are padded to their longest example, and a model that reads what a position of them gives.

``collate_fn`` with ``pad_sequence``, and ``h[:, -1]`` of what a recurrent layer gave: by the longest example
the others have more padding before they are read. So they have in ``h.mean(1)``, the mean over the steps, of
what a recurrent layer or an embedding gave. Whether the lengths differ at all is in the data.
"""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Atom, Obj
from dpmigrate.analysis.domain.values import Function
from dpmigrate.analysis.ledger import Origin
from dpmigrate.analysis.library.torch.dimensions import over_time
from dpmigrate.analysis.library.torch.sequences import RECURRENT
from dpmigrate.analysis.library.torch.structure import forward_of
from dpmigrate.analysis.source.tree import every, names_in

_MINDFUL = ("len", "mask", "pack", "gather")
"""What the names have in them by which a model heeds how long each example is."""


def pads_to_the_longest(ip: Interpreter, loader: Atom) -> bool:
    """Whether a loader's ``collate_fn``, of the project, pads to the longest of the batch and no further."""
    held = ip.read(loader, "collate_fn")
    collate = held.only if held is not None else None
    if not isinstance(collate, Function):
        return False
    names = names_in(collate.node)
    return ("pad_sequence" in names and "pad" not in names) or _pads_by_hand(collate.node)


_FILLED = frozenset(
    ["zeros", "ones", "full", "empty", "new_zeros", "new_ones", "new_full", "new_empty", "pad"]
)
"""What is told how long the rows of a batch are to be."""


def _pads_by_hand(collate: cst.CSTNode) -> bool:
    """``longest = max(len(row) for row in rows)``, and rows that are filled up to that.

    ``[0] * (longest - len(row))``, ``F.pad(row, (0, longest - len(row)))``, ``torch.zeros(n, longest)``.
    """
    assigned = [node for node in every(collate) if isinstance(node, cst.Assign)]
    longest = {name for node in assigned if _is_longest(node.value) for name in _set_by(node.targets[0])}
    again = [name for node in every(collate) for name in _set_by(node) if name in longest]
    longest -= {name for name in longest if again.count(name) > 1}
    return any(_tells_it(part, longest) for node in every(collate) for part in _lengths_told(node))


def _is_longest(node: cst.BaseExpression) -> bool:
    """Whether something is the largest of several lengths: ``max(map(len, rows))``, ``lengths.max()``."""
    if not isinstance(node, cst.Call):
        return False
    if isinstance(node.func, cst.Name):
        if node.func.value == "int" and len(node.args) == 1:
            return _is_longest(node.args[0].value)
        of = node.args if node.func.value == "max" and len(node.args) == 1 else ()
        return any(_speaks_of_lengths(arg) for arg in of)
    if not isinstance(node.func, cst.Attribute):
        return False
    inner = node.func.value
    if node.func.attr.value == "item":
        return _is_longest(inner)
    largest = node.func.attr.value == "max"
    return largest and any(_speaks_of_lengths(part) for part in (inner, *node.args))


def _speaks_of_lengths(node: cst.CSTNode) -> bool:
    words = names_in(node)
    return any("len" in word.lower() or word in ("shape", "size", "sizes") for word in words)


def _lengths_told(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """What says how long a row, or a batch of rows, is to be."""
    if isinstance(node, cst.Call):
        name = node.func.attr if isinstance(node.func, cst.Attribute) else node.func
        if isinstance(name, cst.Name) and name.value in _FILLED:
            yield from node.args
    if isinstance(node, cst.BinaryOperation) and isinstance(node.left, cst.List):
        yield node.right


def _tells_it(node: cst.CSTNode, longest: set[str]) -> bool:
    """Whether the length of the longest row stands in a length."""
    return any(
        (isinstance(part, cst.Name) and part.value in longest)
        or (isinstance(part, cst.Call) and _is_longest(part))
        for part in every(node)
    )


def read_by_position(ip: Interpreter, model: Atom) -> Iterator[tuple[Origin, bool]]:
    """Where the ``forward`` of a model reads what padding has changed; whether as a mean over the steps."""
    forward = forward_of(ip, model)
    if not isinstance(model, Obj) or model.kind != "instance" or forward is None:
        return
    nodes = list(every(forward.node.body))
    names = {node.value for node in nodes if isinstance(node, cst.Name)}
    if any(word in name.lower() for name in names for word in _MINDFUL):
        return
    outputs = {name for node in nodes for name in _outputs(ip, model, node, RECURRENT)}
    for node in nodes:
        if isinstance(node, cst.Subscript) and isinstance(node.value, cst.Name) and _is_last(node):
            name = node.value.value
            if name in outputs:
                yield Origin(forward.module, node, f"{name}[:, -1]"), False
    outputs |= {name for node in nodes for name in _outputs(ip, model, node, frozenset(["Embedding"]))}
    for node in nodes:
        name = _averaged(node) if isinstance(node, cst.Call) else ""
        if name in outputs and sum(name in _set_by(other) for other in nodes) == 1:
            yield Origin(forward.module, node, f"{name}.mean(1)"), True


def _averaged(call: cst.Call) -> str:
    """``h`` of ``h.mean(1)``, ``h.mean(dim=1)``, ``torch.mean(h, dim=1)``; empty for any other call."""
    func = call.func
    if (
        not isinstance(func, cst.Attribute)
        or func.attr.value != "mean"
        or not isinstance(func.value, cst.Name)
    ):
        return ""
    if func.value.value != "torch":
        return func.value.value if over_time(call, of_library=False) else ""
    data = call.args[0].value if call.args else None
    return data.value if isinstance(data, cst.Name) and over_time(call, of_library=True) else ""


def _set_by(node: cst.CSTNode) -> set[str]:
    """The names that a statement sets."""
    if not isinstance(node, (cst.AssignTarget, cst.AnnAssign, cst.AugAssign, cst.NamedExpr)):
        return set()
    return names_in(node.target)


def _outputs(ip: Interpreter, model: Obj, node: cst.CSTNode, kinds: frozenset[str]) -> Iterator[str]:
    """``h`` of ``h, _ = self.rnn(x)``, ``h = self.rnn(x)[0]``, by a layer of one of these kinds."""
    if not isinstance(node, cst.Assign) or len(node.targets) != 1:
        return
    value: cst.BaseExpression = node.value
    target: cst.BaseExpression = node.targets[0].target
    if isinstance(value, cst.Subscript):
        value = value.value
    elif isinstance(target, cst.Tuple) and target.elements:
        target = target.elements[0].value
    func = value.func if isinstance(value, cst.Call) else None
    if isinstance(func, cst.Attribute) and isinstance(func.value, cst.Name) and isinstance(target, cst.Name):
        held = ip.read(model, func.attr.value) if func.value.value == "self" else None
        layers = [a for a in held.atoms if isinstance(a, Obj)] if held is not None else []
        if any(str(layer.data).rpartition(".")[2] in kinds for layer in layers):
            yield target.value


def _is_last(node: cst.Subscript) -> bool:
    """``[:, -1]`` or ``[:, -1, :]``."""
    slices = [element.slice for element in node.slice]
    if len(slices) not in (2, 3) or not isinstance(slices[1], cst.Index):
        return False
    last = slices[1].value
    whole = all(isinstance(s, cst.Slice) and s.lower is s.upper is None for s in (slices[0], *slices[2:]))
    if not isinstance(last, cst.UnaryOperation) or not isinstance(last.operator, cst.Minus):
        return False
    return whole and isinstance(last.expression, cst.Integer) and last.expression.value == "1"
