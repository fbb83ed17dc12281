"""What went backward, example by example: padding in a wrapped criterion, weights of the second pass.

Both are read off the script's own losses and outputs, so that a wrong sum can be told by its cause.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

Used = list[tuple[Tensor, Tensor, int]]
"""(output, dL/d(output), batch dimension) for every model output that a loss depends on."""


def padding_counted(original: Any, wrapper: Any, args: Any, kwargs: Any, losses: Tensor) -> Tensor | None:
    """By how much each example's loss should be larger, ``[B]``; None where padding is left out rightly.

    A criterion with ``ignore_index`` takes the mean over the positions that count. Opacus before
    1.6.0, and since then where the target is a keyword, divides by all positions of the sequence.
    ``original`` is the wrapped criterion's ``__call__``, ``losses`` ``[B]`` what it made of its arguments.
    """
    criterion, reduction = wrapper.criterion, getattr(wrapper, "loss_reduction", "mean")
    ignored = getattr(criterion, "ignore_index", None)
    bound = inspect.signature(original).bind(wrapper, *args, **kwargs).arguments
    named = {**bound, **bound.get("kwargs", {})}
    by_place = [*bound.get("args", ()), None, None]
    output, target = named.get("input", by_place[0]), named.get("target", by_place[1])
    shape = named.get("shape")
    if ignored is None or reduction != "mean" or shape is None or len(shape) < 2:
        return None
    tensors = isinstance(output, Tensor) and isinstance(target, Tensor)
    if not tensors or target.numel() != shape[0] * shape[1]:
        return None
    counts = (target.reshape(shape[0], shape[1]) != ignored).sum(1)
    if bool((counts == shape[1]).all()):
        return None
    before = criterion.reduction
    criterion.reduction = "none"
    try:
        with torch.no_grad():
            positions = criterion(output, target).reshape(shape[0], shape[1])
    finally:
        criterion.reduction = before
    if not torch.allclose(losses.detach(), positions.sum(1) / shape[1], rtol=1e-4, atol=0):
        return None
    share: Tensor = shape[1] / counts.clamp(min=1).double().cpu()
    return share


def weighted(used: Used, weights: Tensor) -> list[Tensor]:
    """The output gradients, each example's multiplied by its part of ``weights [B]``."""
    return [
        (g.movedim(d, -1) * weights.to(g.device, g.dtype)).movedim(-1, d).contiguous() for _, g, d in used
    ]


def second_pass_weights(first: Used, second: Used, scale: float) -> Tensor | None:
    """What the second backward pass multiplies each example's gradient by, ``[B]`` float64.

    ``first`` are the output gradients of the pass that made the norms, ``scale`` times which is an
    example's own gradient. None where the second pass is no reweighting of the first.
    """
    by_output = {id(output): (gradient, d) for output, gradient, d in second}
    if {id(output) for output, _, _ in first} != set(by_output):
        return None
    ours = _by_example([(gradient * scale, d) for _, gradient, d in first])
    theirs = _by_example([by_output[id(output)] for output, _, _ in first])
    if ours.shape != theirs.shape:
        return None
    size = ours.square().sum(1)
    weights = (ours * theirs).sum(1) / size.clamp_min(1e-300)
    rest = (theirs - weights.unsqueeze(1) * ours).norm() / theirs.norm().clamp_min(1e-300)
    weights[size == 0] = torch.nan
    return weights if float(rest) < 1e-3 else None


def _by_example(gradients: Sequence[tuple[Tensor, int]]) -> Tensor:
    """Output gradients as one float64 row an example."""
    rows = [g.detach().movedim(d, 0).to("cpu", torch.float64) for g, d in gradients]
    return torch.cat([r.reshape(r.shape[0], -1) for r in rows], dim=1)
