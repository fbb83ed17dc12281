"""The clipped sum of a batch and its gradients by plain autograd: what tests hold Opacus to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dpmigrate.runtime.batches import batch_size, inputs_and_target, map_tensors
from dpmigrate.runtime.model_copy import copy_criterion
from dpmigrate.runtime.oracle import LossFunction, clipping_factor, gradients, trainable


@dataclass(frozen=True)
class OracleResult:
    """What DP-SGD promises to add noise to, for one batch.

    ``clipped_sum``: float64, by parameter name; ``norms``: float64 ``[B]``, before clipping.
    """

    clipped_sum: dict[str, Tensor]
    norms: Tensor
    max_grad_norm: float

    def flat(self) -> Tensor:
        """The clipped sum as one float64 vector ``[P]``, parameters in the model's order."""
        return torch.cat([t.reshape(-1) for t in self.clipped_sum.values()])


def per_sample_gradients(losses: Tensor, params: Sequence[Tensor] | Mapping[str, Tensor]) -> Tensor:
    """Gradients of each example's loss, ``[B, P]`` float64, from the graph that made ``losses``.

    ``losses`` is ``[B]``; one ``autograd.grad`` per example, the graph is kept. Parameters that a
    loss does not reach give zeros. Raises ValueError where ``losses`` is not a vector.

    On a graph made through a wrapped model call its ``disable_hooks()`` first: Opacus's backward
    hooks would otherwise run here as well.
    """
    if losses.dim() != 1:
        raise ValueError(f"one loss per example is needed, shape (B,), not {tuple(losses.shape)}")
    tensors = list(params.values()) if isinstance(params, Mapping) else list(params)
    rows = [_flat_gradient(loss, tensors, keep=True) for loss in losses]
    if not rows:
        return torch.zeros(0, sum(p.numel() for p in tensors), dtype=torch.float64)
    return torch.stack(rows)


def clipped_sum(
    model: nn.Module,
    criterion: Callable[..., Tensor] | None,
    batch: Any,
    *,
    max_grad_norm: float,
    loss: LossFunction | None = None,
    params: Sequence[str] | None = None,
    loss_reduction: str = "mean",
) -> OracleResult:
    """The clipped gradient sum of ``batch``, each example sent through ``model`` alone.

    ``criterion(output, target)`` by default (see :func:`loss_per_example`); ``loss(model, batch)``
    replaces it. ``params`` names the parameters to look at; all trainable ones when None. The model
    is used as it stands (its mode is not changed, nor are ``.grad`` fields).
    Raises ValueError for an unknown parameter name or where an example yields no loss that depends
    on a parameter.
    """
    chosen = _choose(trainable(model), params)
    tensors = list(chosen.values())
    if not tensors:
        raise ValueError("the model has no trainable parameter")
    total = torch.zeros(sum(p.numel() for p in tensors), dtype=torch.float64)
    norms = []
    for row in each_gradient(model, criterion, batch, tensors, loss=loss, loss_reduction=loss_reduction):
        norm = row.norm()
        norms.append(norm)
        total += row * clipping_factor(norm, max_grad_norm)
    parts = torch.split(total, [p.numel() for p in tensors])
    return OracleResult(
        clipped_sum={name: part.view(p.shape) for (name, p), part in zip(chosen.items(), parts, strict=True)},
        norms=torch.stack(norms) if norms else torch.zeros(0, dtype=torch.float64),
        max_grad_norm=max_grad_norm,
    )


def _choose(params: dict[str, Tensor], names: Sequence[str] | None) -> dict[str, Tensor]:
    if names is None:
        return params
    missing = [name for name in names if name not in params]
    if missing:
        raise ValueError(f"not a trainable parameter of the model: {', '.join(missing)}")
    return {name: params[name] for name in names}


def each_gradient(
    model: nn.Module,
    criterion: Callable[..., Tensor] | None,
    batch: Any,
    params: Sequence[Tensor],
    *,
    loss: LossFunction | None = None,
    loss_reduction: str = "mean",
) -> Iterator[Tensor]:
    """The gradient of every example in turn, ``[P]`` float64, each from a forward pass of its own."""
    evaluate = loss if loss is not None else loss_per_example(criterion, loss_reduction)
    with torch.enable_grad():
        for example in split_batch(batch):
            value = evaluate(model, example)
            yield _flat_gradient(value.sum(), params, keep=False)


def loss_per_example(criterion: Callable[..., Tensor] | None, loss_reduction: str = "mean") -> LossFunction:
    """``criterion(output, target)`` turned into a function that returns one loss per example.

    A criterion with a ``reduction`` is evaluated by a copy whose reduction is "none" (so that class
    weights stay weights), and what is left beyond the batch dimension is reduced as
    ``loss_reduction`` says, by the criterion itself where it can (so that ``ignore_index`` counts
    valid positions only). A criterion without one is called on each example alone.
    """
    if criterion is None:
        raise TypeError("a criterion or loss=function(model, batch) is needed")
    whole: Callable[..., Tensor] = copy_criterion(criterion, loss_reduction)
    bare: Callable[..., Tensor] = copy_criterion(criterion, "none")

    def losses(model: nn.Module, batch: Any) -> Tensor:
        inputs, target = inputs_and_target(batch)
        output = model(*inputs)
        count = batch_size(batch)
        values = bare(output, target)
        if values.dim() == 1 and values.shape[0] == count:
            return values
        if count == 1:
            single = whole(output, target)
            if single.numel() > 1:
                single = single.mean() if loss_reduction == "mean" else single.sum()
            return single.reshape(1)
        rows = [losses(model, example) for example in split_batch(batch)]
        return torch.cat(rows) if rows else values.reshape(-1)[:0]

    return losses


def split_batch(batch: Any) -> list[Any]:
    """One batch of one example for every example, in order."""
    return [map_tensors(batch, lambda t, i=i: t[i : i + 1]) for i in range(batch_size(batch))]  # type: ignore[misc]


def _flat_gradient(value: Tensor, params: Sequence[Tensor], *, keep: bool) -> Tensor:
    if not value.requires_grad:
        raise ValueError("the loss does not depend on any trainable parameter")
    return torch.cat([g.reshape(-1).double() for g in gradients(value, params, keep=keep)])
