"""How far what a step did is from what the oracle says of it."""

from __future__ import annotations

import torch
from torch import Tensor

from dpmigrate.runtime.run.records import LogicalStep, PhysicalBatch

FIT = 1e-3
"""Relative L2 distance below which a fault explains what was observed."""

OWN_GRADIENTS = (
    "the script makes its per-sample gradients itself, not by a backward pass of the private model"
)
"""Why there is nothing to hold a step of ``grad_sample_mode="no_op"`` against."""


def relative(value: Tensor, expected: Tensor, unit: float = 1.0) -> float:
    """Relative L2 distance; where the expected vector is zero, the distance over ``unit``."""
    size = float(expected.norm())
    return float((value - expected).norm()) / (size if size > 0 else unit)


def expected_sum(batches: list[PhysicalBatch]) -> Tensor:
    """The oracle's clipped sum of several physical batches."""
    sums = [b.expected for batch in batches for b in batch.backwards if b.expected is not None]
    return torch.stack(sums).sum(0) if sums else torch.zeros(1, dtype=torch.float64)


def step_error(step: LogicalStep, seen: LogicalStep) -> float | None:
    """Relative error of the value that was seen in a step against the oracle's; None where it has none."""
    if why_unjudged(step) or seen.value is None:
        return None
    return relative(seen.value, expected_sum(step.physical), step.max_grad_norm or 1.0)


def why_unjudged(step: LogicalStep) -> str:
    """Why the oracle has no sum for this step; empty when it has."""
    for backward in step.backwards:
        if backward.expected is None:
            return backward.reason or "no oracle"
    if step.value is None or not bool(step.value.any()):
        return ""
    if any(not batch.backwards and batch.received is None for batch in step.physical):
        return OWN_GRADIENTS
    return ""
