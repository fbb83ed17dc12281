"""``h.detach()`` shares its numbers with ``h``: changed in place, it counts where ``h`` is used again.

Measured on 1.5.4 and 1.6.0, hooks and ghost: after a hooked layer ``h.detach().add_(1)`` raises RuntimeError
when ``h`` is used again, and not before; ``h.data.add_(1)`` and ``h.detach().clone().add_(1)`` raise nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import libcst as cst
from libcst.helpers import get_full_name_for_node

from dpmigrate.analysis.library.torch.in_place.names import SAME_MEMORY


class Change(NamedTuple):
    """A change of what lies beneath a tensor; ``sure``: whenever it is used after it."""

    node: cst.CSTNode
    text: str
    sure: bool


class Beneath:
    """The variables that share the numbers of a tensor without its gradient, and what was done to them."""

    def __init__(self) -> None:
        self._tensors: dict[str, str] = {}
        self._changes: dict[str, list[Change]] = {}

    def bind(self, name: str, value: cst.BaseExpression) -> None:
        """``name = h.detach()``."""
        tensor = self._tensor_of(value)
        if name and tensor:
            self._tensors[name] = tensor

    def rebound(self, name: str) -> None:
        """A variable holds another tensor from here on."""
        self._tensors = {v: tensor for v, tensor in self._tensors.items() if name not in (v, tensor)}
        self._changes.pop(name, None)

    def change(self, receiver: cst.BaseExpression, change: Change) -> bool:
        """``h.detach().add_(1)``; whether it is that."""
        tensor = self._tensor_of(receiver)
        if tensor:
            self._changes.setdefault(tensor, []).append(change)
        return bool(tensor)

    def come_to(self, name: str) -> list[Change]:
        """What was changed beneath a tensor that is used now; it is told of once."""
        return self._changes.pop(name, [])

    def _tensor_of(self, node: cst.BaseExpression) -> str:
        """The tensor whose numbers an expression has after a ``detach()``; empty for any other."""
        detached = False
        while isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute):
            name = node.func.attr.value
            if name != "detach" and name not in SAME_MEMORY:
                return ""
            detached = detached or name == "detach"
            node = node.func.value
        name = base_of(node)
        return name if detached else self._tensors.get(name, "")


def base_of(node: cst.BaseExpression) -> str:
    """``self.x`` of ``self.x`` or ``self.x[:, 0]``, as it is written; empty for anything else."""
    while isinstance(node, cst.Subscript):
        node = node.value
    return get_full_name_for_node(node) or "" if isinstance(node, (cst.Name, cst.Attribute)) else ""
