"""What the oracle is made of: gradients by plain autograd, and the clipping of each example's.

No Opacus code takes part, so that it can judge Opacus. The definition is that of DP-SGD (Abadi et
al., 2016, https://arxiv.org/abs/1607.00133, algorithm 1): with g_i the gradient of example i alone,
the clipped sum is the sum of g_i * min(1, C / (|g_i| + 1e-6)). The 1e-6 is Opacus's own, kept so that
results compare to rounding. Sums and norms accumulate in float64 whatever the model's dtype.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

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
