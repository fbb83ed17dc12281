"""Batches as trees: anything nested out of tensors, tuples, lists, mappings and dataclasses or the like.

Every tensor with at least one dimension carries the examples in dimension 0; whatever is not a
tensor (None, numbers, strings) is the same for all examples.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


def tensors_in(tree: Any) -> list[Tensor]:
    """Every tensor of the tree, in a fixed order."""
    if isinstance(tree, Tensor):
        return [tree]
    parts: Iterable[Any] = ()
    if isinstance(tree, Mapping):
        parts = tree.values()
    elif isinstance(tree, list | tuple):
        parts = tree
    elif dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        parts = (getattr(tree, field.name, None) for field in dataclasses.fields(tree))
    else:
        parts = (value for value in getattr(tree, "__dict__", {}).values() if isinstance(value, Tensor))
    return [t for part in parts for t in tensors_in(part)]


def map_tensors(tree: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """The same tree with every tensor that carries examples replaced; the tree itself is untouched."""
    if isinstance(tree, Tensor):
        return change(tree) if tree.dim() > 0 else tree
    if isinstance(tree, Mapping):
        return _like(tree, {key: map_tensors(value, change) for key, value in tree.items()})
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(map_tensors(value, change) for value in tree))
    if isinstance(tree, list | tuple):
        return type(tree)(map_tensors(value, change) for value in tree)
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        names = [field.name for field in dataclasses.fields(tree) if field.init]
        return dataclasses.replace(tree, **{n: map_tensors(getattr(tree, n), change) for n in names})
    return tree


def _like(mapping: Mapping[Any, Any], values: dict[Any, Any]) -> Mapping[Any, Any]:
    """``values`` as the mapping's own type where that type can be built from a dict."""
    if type(mapping) is dict:
        return values
    try:
        return type(mapping)(values)  # type: ignore[call-arg]
    except TypeError:
        return values


def batch_size(batch: Any) -> int:
    """Number of examples B: the length of dimension 0, which all tensors of the batch share.

    Raises ValueError where there is no tensor, or where the lengths disagree.
    """
    sizes = {t.shape[0] for t in tensors_in(batch) if t.dim()}
    if not sizes:
        raise ValueError("the batch holds no tensor with a batch dimension")
    if len(sizes) > 1:
        raise ValueError(f"tensors of one batch disagree on the number of examples: {sorted(sizes)}")
    return int(sizes.pop())


def take(batch: Any, indices: Sequence[int]) -> Any:
    """The examples at ``indices``, in that order, as a batch of the same structure."""
    index = torch.as_tensor(list(indices), dtype=torch.long)
    return map_tensors(batch, lambda t: t.index_select(0, index.to(t.device)))


def inputs_and_target(batch: Any) -> tuple[tuple[Any, ...], Any]:
    """A batch ``(inputs..., target)`` taken apart.

    Raises TypeError for any other structure: such a batch needs a ``loss`` of its own.
    """
    if isinstance(batch, list | tuple) and len(batch) >= 2:
        return tuple(batch[:-1]), batch[-1]
    raise TypeError(
        f"a batch of type {type(batch).__name__} is not (inputs..., target): "
        "give loss=function(model, batch) that returns one loss per example"
    )
