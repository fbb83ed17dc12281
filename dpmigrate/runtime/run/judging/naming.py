"""From figures that disagree to the name of the fault."""

from __future__ import annotations

import torch

from dpmigrate.runtime.oracle import clipping_factor
from dpmigrate.runtime.run.figures import FIT, expected_sum, relative
from dpmigrate.runtime.run.places import shown_place
from dpmigrate.runtime.run.records import BackwardPass, EngineRecord, LogicalStep, RunRecord

DIRECT = 1e-4
"""A larger share of the gradient that bypasses the model's output is a term on the parameters."""

UNWRAPPED = (
    "unwrapped-loss: the loss that went backward was not made by the criterion that make_private returned, "
    "so nothing was clipped"
)

CHANGED = {
    "DPM103": UNWRAPPED,
    "DPM108": (
        "zero-grad-before-step: the gradients were cleared between backward() and step(): noise is all that "
        "is left"
    ),
    "DPM118": "hooks-left-disabled: a step without a backward pass that clips",
    "DPM109": (
        "gradient-changed-before-step: p.grad was changed between backward() and step(), after clipping"
    ),
}
"""What a ghost step may do to its loss, or to the gradients that it steps by."""


def unclipped(engine: EngineRecord, step: LogicalStep) -> BackwardPass | None:
    """A backward pass of a ghost run after which no clipping coefficient was asked for."""
    if "ghost" not in engine.mode:
        return None
    return next((b for b in step.backwards if not b.coefficient), None)


def fault(engine: EngineRecord, step: LogicalStep, limit: float) -> tuple[str | None, str]:
    """(rule id or None, sentence) for a logical step whose value is not the oracle's clipped sum."""
    for name in (_loss, _norm, _padding, _weights, _moving_bound, _passes, _layers, _accumulation):
        named = name(engine, step, limit)
        if named is not None or engine.late:
            return named or ("DPM119", late(engine))
    return None, "the value that receives the noise is not the clipped sum"


def _loss(engine: EngineRecord, step: LogicalStep, limit: float) -> tuple[str | None, str] | None:
    if unclipped(engine, step) is not None:
        return "DPM103", UNWRAPPED
    for backward in step.backwards:
        shape = backward.loss_shape
        if shape is not None and backward.count == 1 and len(shape) == 1 and shape[0] > 1:
            return "DPM111", (
                f"flattened-sequence-loss: the sum is scaled by {shape[0]}: the criterion gave {shape[0]} "
                "losses, one by position, for one sequence (pass shape= with flattened outputs)"
            )
        if shape is not None and backward.count > 1 and shape != (backward.count,):
            if engine.adaptive and shape == ():
                return "DPM113", (
                    "adaptive-not-clipped: adaptive ghost clipping of this Opacus reduces the loss first: "
                    "nothing is clipped"
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
    worst = max((b.direct for b in step.backwards), default=0.0)
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
    rule = "DPM116" if noised != engine.asked_norm else None
    name = "clip-schedule: " if rule else ""
    return rule, f"{name}the model clips at {used:g}, while the noise is scaled by {noised:g}"


def run_named(run: RunRecord, index: int) -> str:
    """A private run, as the words of another one name it."""
    engine = run.engines[index]
    return f"run {index + 1} ({shown_place(engine.path, engine.line)})"


def late(engine: EngineRecord) -> str:
    """What has begun, or ceased, to train after make_private, and what that does."""
    names = engine.late or engine.frozen
    were, now = ("were", "train") if len(names) > 1 else ("was", "trains")
    what = (
        f"{were} frozen when make_private was called and {now} now: no hook measures the gradient, which "
        "enters unclipped"
        if engine.late
        else f"{were} frozen after make_private: norms of an earlier batch still count"
    )
    return f"frozen-or-unfrozen-late: {', '.join(names[:4])}{', ...' * (len(names) > 4)} {what}"


def _padding(engine: EngineRecord, step: LogicalStep, limit: float) -> tuple[str | None, str] | None:
    shares = [b.share for b in step.backwards if b.share is not None]
    if not shares:
        return None
    least = 1 / max(float(share.max()) for share in shares)
    return "DPM110", (
        "ignore-index: this Opacus averages over all positions of a sequence, padding included, so that "
        f"examples enter with wrong weights (down to {least:.2g} of their loss)"
    )


def _weights(engine: EngineRecord, step: LogicalStep, limit: float) -> tuple[str | None, str] | None:
    """The second pass multiplies the examples by something else than their clipping factors."""
    bound = step.module_norm or step.max_grad_norm
    for backward in step.backwards:
        norms, weights = backward.ghost_norms, backward.weights
        if norms is None or weights is None or bound is None or norms.shape != weights.shape:
            continue
        finite = torch.isfinite(weights)
        weights, factors = weights[finite], clipping_factor(norms.double(), bound)
        whole, factors = float(factors.sum()), factors[finite]
        if not len(weights) or relative(weights, factors) <= FIT:
            continue
        scale = float(weights @ factors / factors.square().sum())
        mismatch = scale * len(norms) if engine.averages else scale / len(norms)
        if abs(mismatch - 1) <= FIT and relative(weights, scale * factors) <= FIT:
            first, said = ("sum", "mean") if engine.averages else ("mean", "sum")
            return "DPM115", (
                f"loss-reduction-mismatch: the second pass scales every clipped gradient by {scale:.4g}: the "
                f"first pass took a {first} of the losses where loss_reduction is {said}"
            )
        # Of two losses that look at each other, both weights are the mean of the factors as well.
        several = len(weights) > (2 if backward.loss_shape == (backward.count,) else 1)
        if several and relative(weights, torch.full_like(weights, whole / len(norms))) <= FIT:
            return "DPM104", (
                "criterion-ignores-reduction: every example was multiplied by the mean of the clipping "
                "factors, as one loss for the whole batch is"
            )
        if len(weights) > 1 and relative(weights, torch.full_like(weights, whole)) <= FIT:
            return "DPM105", (
                f"loss-not-one-per-example: every loss was multiplied by all {len(norms)} clipping factors, "
                "as a column of losses, shape (B, 1), is"
            )
        if relative(weights, scale * factors) <= FIT:
            return None, f"the second pass scales every clipped gradient by {scale:.4g}"
    return None


def _moving_bound(engine: EngineRecord, step: LogicalStep, limit: float) -> tuple[str | None, str] | None:
    if not engine.adaptive or len(step.physical) < 2:
        return None
    return "DPM114", (
        "adaptive-memory-manager: adaptive clipping moves C between the "
        f"{len(step.physical)} physical batches of a step, which are clipped at other bounds than the noise "
        "is scaled by: do not combine it with the memory manager"
    )


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
            if batch.hooks_off:
                return "DPM118", CHANGED["DPM118"]
            return None, "a step without a backward pass of the private model that clips"
        for backward in batch.backwards:
            if batch.received is None or backward.after is None or backward.expected is None:
                continue
            if not bool(batch.received.any()) and bool(backward.after.any()):
                return "DPM108", CHANGED["DPM108"]
            right = relative(backward.after, backward.expected) <= limit
            if right and relative(batch.received, backward.after) > limit:
                return "DPM109", CHANGED["DPM109"]
    return None


def _layers(engine: EngineRecord, step: LogicalStep, limit: float) -> tuple[str | None, str] | None:
    for backward in step.backwards:
        ours, theirs = backward.param_norms, backward.ghost_param_norms
        if ours is None or theirs is None or ours.shape != theirs.shape:
            continue
        size = ours.norm(dim=0).clamp_min(1e-30)
        off = ((theirs - ours).abs() / size).amax(dim=1) if ours.shape[1] else torch.zeros(len(ours))
        wrong = [i for i in range(len(off)) if float(off[i]) > 10 * limit]
        # Standard clipping that is wrong in every layer is no layer's fault.
        if wrong and ("ghost" in engine.mode or len(wrong) < len(off)):
            names = ", ".join(engine.names[i] for i in wrong[:4])
            if "ghost" in engine.mode and {engine.names[i] for i in wrong} <= set(engine.hooked):
                said = f"a hook of {names} changes what backward() has clipped"
                return "DPM109", f"gradient-changed-before-step: {said}"
            biases = "ghost" in engine.mode and all(
                len(engine.shapes[i]) == 1 and engine.names[i].endswith("bias") for i in wrong
            )
            rule = None if engine.padded else "DPM117"
            hint = "is it used outside the module that owns it?"
            if biases:
                rule, hint = "DPM112", "before Opacus 1.5.4 so for the bias of a Linear on 3-d input"
            elif {engine.names[i].rpartition(".")[0] for i in wrong} <= set(engine.own_samplers):
                rule, hint = None, "its layer's sampler, which the project has registered, is at fault"
            return rule, f"the per-sample gradient norm of {names} is wrong ({hint})"
    return None


def accumulation_error(engine: EngineRecord, step: LogicalStep) -> float | None:
    """How far a ghost step's value is from the sum of what it received, however that was clipped.

    Relative to that sum. None for one physical batch, and where what was received is not known.
    """
    received = [b.received for b in step.physical if b.received is not None]
    if "ghost" not in engine.mode or step.value is None or not 1 < len(received) == len(step.physical):
        return None
    return relative(step.value, torch.stack(received).sum(0), step.max_grad_norm or 1.0)


def _accumulation(engine: EngineRecord, step: LogicalStep, limit: float) -> tuple[str | None, str] | None:
    if "ghost" not in engine.mode or step.value is None or any(b.received is None for b in step.physical):
        return None
    received = [b.received for b in step.physical if b.received is not None]
    each = [
        relative(r, expected_sum([b]), step.max_grad_norm or 1.0) <= limit
        for r, b in zip(received, step.physical, strict=True)
    ]
    if all(each) and len(received) > 1:
        last = relative(step.value, 2 * received[-1])
        shape = ": it is twice the last physical batch" if last <= limit else ""
        return "DPM101", (
            f"ghost-batch-memory-manager: each of the {len(received)} physical batches is clipped rightly, "
            f"but their accumulated sum is wrong{shape}"
        )
    for batch in step.physical:
        first = [b.first for b in batch.backwards if b.first is not None]
        if batch.received is None or not first:
            continue
        both = expected_sum([batch]) + torch.stack(first).sum(0)
        if relative(batch.received, both) <= FIT:
            return "DPM402", (
                "two-pass-loop: the gradients of the first backward pass, which are not clipped, were not "
                "cleared before the second"
            )
    return None
