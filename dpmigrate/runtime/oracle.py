"""The oracle: clipped gradient sums by plain autograd, one backward pass per example.

No Opacus code takes part, so that it can judge Opacus. The definition is that of DP-SGD (Abadi et
al., 2016, https://arxiv.org/abs/1607.00133, algorithm 1): with g_i the gradient of example i alone,
the clipped sum is the sum of g_i * min(1, C / (|g_i| + 1e-6)). The 1e-6 is Opacus's own, kept so that
results compare to rounding. Sums and norms accumulate in float64 whatever the model's dtype.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dpmigrate.runtime.batches import batch_size, inputs_and_target, split_batch
from dpmigrate.runtime.model_copy import copy_criterion

CLIPPING_EPSILON = 1e-6
"""Added to every norm before dividing, as all Opacus releases do."""

LossFunction = Callable[[nn.Module, Any], Tensor]
"""``loss(model, batch) -> Tensor[B]``, one loss per example."""


def trainable(model: nn.Module) -> dict[str, Tensor]:
    """Parameters that require a gradient, by name; a tied parameter appears once, under its first name."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def clip(per_sample: Tensor, max_grad_norm: float) -> tuple[Tensor, Tensor]:
    """Clip ``[B, P]`` gradients to ``max_grad_norm`` and sum: ``(sum [P], norms [B])``, float64."""
    rows = per_sample.double()
    norms = rows.norm(dim=1)
    return clipping_factor(norms, max_grad_norm) @ rows, norms


def clipping_factor(norms: Tensor, max_grad_norm: float) -> Tensor:
    """``min(1, C / (norm + 1e-6))`` for every norm."""
    return (max_grad_norm / (norms + CLIPPING_EPSILON)).clamp(max=1.0)


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


def gradients(
    value: Tensor | Sequence[Tensor],
    params: Sequence[Tensor],
    *,
    keep: bool,
    seeds: Sequence[Tensor] | None = None,
) -> list[Tensor]:
    """The gradient of ``value`` by parameter, on the CPU in the parameters' dtypes; zeros where unused.

    ``keep`` keeps the graph; ``seeds`` are the gradients of something else in ``value``.
    """
    by_param = torch.autograd.grad(value, params, seeds, retain_graph=keep, allow_unused=True)
    return [
        (torch.zeros_like(p) if g is None else g).detach().cpu()
        for g, p in zip(by_param, params, strict=True)
    ]


def _flat_gradient(value: Tensor, params: Sequence[Tensor], *, keep: bool) -> Tensor:
    if not value.requires_grad:
        raise ValueError("the loss does not depend on any trainable parameter")
    return torch.cat([g.reshape(-1).double() for g in gradients(value, params, keep=keep)])
