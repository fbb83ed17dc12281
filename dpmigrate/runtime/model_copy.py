"""Copies to experiment on, so that what the caller hands over is never changed."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from dpmigrate.runtime.batches import map_tensors


def copy_model(model: nn.Module, dtype: torch.dtype | None = None) -> nn.Module:
    """A deep copy in training mode (Opacus's hooks only work there), without gradients.

    Floating point parameters and buffers are cast to ``dtype`` where it is given. Raises ValueError
    for a model that Opacus has wrapped already, TypeError for one that cannot be copied.
    """
    if hasattr(model, "_module") and hasattr(model, "loss_reduction"):
        raise ValueError("the model is wrapped by Opacus already: give the one that make_private was given")
    try:
        twin = copy.deepcopy(model)
    except Exception as error:
        raise TypeError(f"the model cannot be deep-copied: {error}") from error
    for p in twin.parameters():
        p.grad = None
    if dtype is not None:
        twin = twin.to(dtype)
    return twin.train()


def copy_criterion(criterion: Callable[..., Any] | None, loss_reduction: str) -> Any:
    """The criterion as an object of its own, reducing as ``loss_reduction`` says where it can be told."""
    if criterion is None:
        return None
    if isinstance(criterion, nn.Module):
        twin = copy.deepcopy(criterion)
        if isinstance(getattr(twin, "reduction", None), str):
            twin.reduction = loss_reduction  # type: ignore[assignment]
        return twin
    if hasattr(criterion, "__dict__") and not hasattr(criterion, "__code__"):
        return copy.deepcopy(criterion)
    # Opacus 1.6.0 sets ``reduction`` on what it is given; on a function that would stay for good.
    return partial(criterion)


def cast_batch(batch: Any, dtype: torch.dtype | None) -> Any:
    """The batch detached, with floating point tensors in ``dtype`` (unchanged when None)."""

    def cast(t: Tensor) -> Tensor:
        t = t.detach()
        return t.to(dtype) if dtype is not None and t.is_floating_point() else t

    return map_tensors(batch, cast)


def model_dtype(model: nn.Module) -> torch.dtype:
    """The dtype of the first floating point parameter; float32 for a model without one."""
    return next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)


class NoDropout(TorchFunctionMode):
    """Dropout of every kind, also where a forward calls the function, keeps everything."""

    _NAMES = frozenset(
        {"dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout"}
    )

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name in self._NAMES:
            return args[0] if args else kwargs["input"]
        if name == "scaled_dot_product_attention" and "dropout_p" in kwargs:
            kwargs = {**kwargs, "dropout_p": 0.0}
        return func(*args, **kwargs)


@contextmanager
def isolated(seed: int) -> Iterator[None]:
    """A block with gradients on and a seeded random stream of its own; the caller's is put back."""
    with torch.random.fork_rng(), torch.enable_grad():
        torch.manual_seed(seed)
        yield


def copy_generator(generator: torch.Generator) -> torch.Generator:
    """A generator in the same state, so that measuring does not advance the caller's."""
    twin = torch.Generator(device=generator.device)
    twin.set_state(generator.get_state())
    return twin
