"""From figures that disagree to the name of the fault."""

from __future__ import annotations

import torch
from torch import Tensor

from dpmigrate.runtime.run.records import Backward, EngineRecord, LogicalStep, PhysicalBatch

DIRECT = 1e-4
"""A larger share of the gradient that bypasses the model's output is a term on the parameters."""


def relative(value: Tensor, expected: Tensor, unit: float = 1.0) -> float:
    """Relative L2 distance; where the expected vector is zero, the distance over ``unit``."""
    size = float(expected.norm())
    return float((value - expected).norm()) / (size if size > 0 else unit)


def expected_sum(batches: list[PhysicalBatch], size: int) -> Tensor:
    """The oracle's clipped sum of several physical batches."""
    total = torch.zeros(size, dtype=torch.float64)
    for batch in batches:
        for backward in batch.backwards:
            assert backward.expected is not None
            total += backward.expected
    return total


def judged(step: LogicalStep) -> str:
    """Why the oracle has no sum for this step; empty when it has."""
    for backward in _all(step):
        if backward.expected is None:
            return backward.reason or "no oracle"
    return ""


def unclipped(engine: EngineRecord, step: LogicalStep) -> Backward | None:
    """A backward pass of a ghost run after which no clipping coefficient was asked for."""
    if "ghost" not in engine.mode:
        return None
    return next((b for b in _all(step) if not b.coefficient), None)


def fault(engine: EngineRecord, step: LogicalStep, limit: float) -> tuple[str | None, str]:
    """(rule id or None, sentence) for a logical step whose value is not the oracle's clipped sum."""
    for name in (_loss, _norm, _passes, _layers, _accumulation):
        found = name(engine, step, limit)
        if found is not None:
            return found
    return None, "the value that receives the noise is not the clipped sum"


def _loss(engine: EngineRecord, step: LogicalStep, limit: float) -> tuple[str | None, str] | None:
    if unclipped(engine, step) is not None:
        return "DPM103", (
            "unwrapped-loss: the loss that went backward was not made by the criterion that make_private "
            "returned, so nothing was clipped"
        )
    for backward in _all(step):
        shape = backward.loss_shape
        if shape is not None and backward.count > 1 and shape != (backward.count,):
            if engine.adaptive and shape == ():
                return (
                    None,
                    "adaptive ghost clipping of this Opacus reduces the loss first: nothing is clipped",
                )
            if shape in ((), (1,)):
                return "DPM104", (
                    f"criterion-ignores-reduction: the criterion gave one loss for {backward.count} "
                    "examples, whatever its reduction says"
                )
            return "DPM105", (
                f"loss-not-one-per-example: the criterion gave losses of shape {shape} for "
                f"{backward.count} examples"
            )
    worst = max((b.direct for b in _all(step)), default=0.0)
    if worst > DIRECT:
        return "DPM107", (
            "loss-arithmetic: a term that depends on the parameters, not through the model's output, was "
            f"added to the loss and enters unclipped ({worst:.0%} of the gradient)"
        )
    return None


def _norm(engine: EngineRecord, step: LogicalStep, limit: float) -> tuple[str | None, str] | None:
    used, noised = step.module_norm, step.max_grad_norm
    if "ghost" not in engine.mode or used is None or noised is None:
        return None
    if abs(used - noised) <= 1e-6 * max(used, noised):
        return None
    if not engine.wrapped_api and not engine.manual and noised == engine.asked_norm:
        return "DPM102", (
            f"max-grad-norm-ignored: the model clips at {used:g}, while the noise is scaled by {noised:g}"
        )
    return None, f"the model clips at {used:g}, while the noise is scaled by {noised:g}"


def _passes(engine: EngineRecord, step: LogicalStep, limit: float) -> tuple[str | None, str] | None:
    if "ghost" not in engine.mode:
        return None
    for batch in step.physical:
        if len(batch.backwards) > 1 and all(b.coefficient for b in batch.backwards):
            return "DPM106", (
                f"accumulation-without-memory-manager: {len(batch.backwards)} backward passes before one "
                "step; only the last one counts"
            )
        if not batch.backwards and step.value is not None and float(step.value.norm()) > 0:
            return None, "a step without a backward pass that clips (are the hooks still disabled?)"
        for backward in batch.backwards:
            if batch.received is None or backward.after is None or backward.expected is None:
                continue
            right = relative(backward.after, backward.expected) <= limit
            if right and relative(batch.received, backward.after) > limit:
                return None, "p.grad was changed between backward() and step(), after clipping"
    return None


def _layers(engine: EngineRecord, step: LogicalStep, limit: float) -> tuple[str | None, str] | None:
    for backward in _all(step):
        ours, theirs = backward.param_norms, backward.ghost_param_norms
        if ours is None or theirs is None or ours.shape != theirs.shape:
            continue
        size = ours.norm(dim=0).clamp_min(1e-30)
        off = ((theirs - ours).abs() / size).amax(dim=1) if ours.shape[1] else torch.zeros(len(ours))
        wrong = [i for i in range(len(off)) if float(off[i]) > 10 * limit]
        if wrong:
            names = ", ".join(engine.layer(i) for i in wrong[:4])
            biases = all(len(engine.shapes[i]) == 1 and engine.layer(i).endswith("bias") for i in wrong)
            hint = " (before Opacus 1.5.4 so for the bias of a Linear on 3-d input)" if biases else ""
            return None, f"the per-sample gradient norm of {names} is wrong{hint}"
    return None


def _accumulation(engine: EngineRecord, step: LogicalStep, limit: float) -> tuple[str | None, str] | None:
    if "ghost" not in engine.mode or step.value is None or any(b.received is None for b in step.physical):
        return None
    size = sum(engine.sizes)
    received = [b.received for b in step.physical if b.received is not None]
    each = [
        relative(r, expected_sum([b], size), step.max_grad_norm or 1.0) <= limit
        for r, b in zip(received, step.physical, strict=True)
    ]
    if all(each) and len(received) > 1:
        last = relative(step.value, 2 * received[-1])
        shape = ": it is twice the last physical batch" if last <= limit else ""
        return "DPM101", (
            f"ghost-batch-memory-manager: each of the {len(received)} physical batches is clipped rightly, "
            f"but their accumulated sum is wrong{shape}"
        )
    if not each[0] and not engine.wrapped_api and step.physical[0].backwards:
        return "DPM402", (
            "two-pass-loop: what the two backward passes leave in p.grad is not the clipped sum (are the "
            "gradients cleared between them?)"
        )
    return None


def _all(step: LogicalStep) -> list[Backward]:
    return [b for batch in step.physical for b in batch.backwards]
