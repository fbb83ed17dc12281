"""The clipped sum of a batch and its gradients by plain autograd: what tests hold Opacus to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dpmigrate.runtime.oracle import LossFunction, clipping_factor, each_gradient, gradients, trainable


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
    rows = [_row(gradients(loss, tensors, keep=True)) for loss in losses]
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


def _row(by_param: Sequence[Tensor]) -> Tensor:
    return torch.cat([g.reshape(-1).double() for g in by_param])
