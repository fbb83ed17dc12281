"""A batch told from another by its bytes, whatever kind of tensors it is made of."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

import torch
from torch import Tensor


def transformed(tensor: Tensor) -> bool:
    """Whether torch.func (vmap, grad) is running and the tensor stands for something it has wrapped."""
    return bool(torch._C._functorch.is_functorch_wrapped_tensor(tensor))


def tensor_digest(tensors: Iterable[Tensor], start: int = 0) -> int:
    """CRC-32 of the tensors' values, carried on from ``start``; of their shapes where they have no values.

    Under ``vmap`` the values are those of the whole batch. Never raises.
    """
    for tensor in tensors:
        try:
            # Inside vmap or grad, operations on the unwrapped tensor would wrap it again.
            with torch._C._DisableFuncTorch():
                start = zlib.crc32(_bytes(tensor).numpy().data, start)
        except (RuntimeError, NotImplementedError, TypeError):
            # A meta or fake tensor has a shape and nothing else.
            start = zlib.crc32(f"{_shape(tensor)} {tensor.dtype}".encode(), start)
    return start


def _bytes(tensor: Tensor) -> Tensor:
    while transformed(tensor):
        tensor = torch._C._functorch.get_unwrapped(tensor)
    tensor = tensor.detach()
    if tensor.layout is not torch.strided:
        tensor = tensor.to_dense()
    flat = tensor.to("cpu").resolve_conj().resolve_neg().contiguous().view(-1)
    return flat.view(torch.uint8)


def _shape(tensor: Tensor) -> tuple[int, ...]:
    try:
        return tuple(tensor.shape)
    except RuntimeError:
        return ()
