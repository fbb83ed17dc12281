"""From records to checks: what each run of the script proves about each of its engines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from dpmigrate.runtime.limits import parity_limit
from dpmigrate.runtime.report_types import UNSUPPORTED, Check, Measurement
from dpmigrate.runtime.run.experiments.removal import Removal
from dpmigrate.runtime.run.figures import FIT, expected_sum, relative, step_error, why_unjudged
from dpmigrate.runtime.run.judging.naming import accumulation_error, fault, unclipped
from dpmigrate.runtime.run.records import EngineRecord, LogicalStep, RunRecord

COUPLED = 5e-3
"""How far, in units of C, the halves of a batch may be from adding up; the rest is rounding."""

KEPT = 1e-5
"""How far, in units of C, an example may move the next step: nothing is added up in another order there."""


def limit_for(engine: EngineRecord) -> float:
    """The parity limit for an engine's dtype and size, and the rounding that its batches show."""
    backwards = [b for step in engine.steps for b in step.backwards]
    rounding = max((b.rounding for b in backwards if math.isfinite(b.rounding)), default=0.0)
    limit = parity_limit(engine.precision or engine.dtype, sum(engine.sizes), rounding)
    if engine.adaptive and engine.steps:
        # Adaptive clipping divides by the bare norm, the oracle by the norm plus 1e-6.
        norms = [b.norms for b in backwards if b.norms is not None]
        least = min((float(n.min()) for n in norms if len(n)), default=1.0)
        limit = max(limit, 2e-6 / max(least, 1e-6))
    return limit


def nonfinite(engine: EngineRecord) -> str:
    """Where the oracle first met NaN or infinity, in words; empty where it never did."""
    for number, step in enumerate(engine.steps, 1):
        for part, batch in enumerate(step.physical, 1):
            for backward in batch.backwards:
                if backward.norms is None or bool(torch.isfinite(backward.norms).all()):
                    continue
                bad = backward.broken or (~torch.isfinite(backward.norms)).nonzero().flatten().tolist()
                some = ", ".join(map(str, bad[:5])) + (", ..." if len(bad) > 5 else "")
                plural = "s" if len(bad) > 1 else ""
                return f"example{plural} {some} of physical batch {part} in logical step {number}"
    return ""


def against_oracle(engine: EngineRecord, index: int) -> list[Check]:
    """The clipped sum, the norms and the handed gradient against the oracle on the script's own graph."""
    broken = nonfinite(engine)
    if broken:
        detail = f"NaN or infinity in the gradient of {broken}: nothing else can be judged"
        return [Check("parity-clipped-sum", False, None, limit_for(engine), None, index, detail)]
    if not engine.steps:
        return []
    limit = limit_for(engine)
    checks = [_clipped_sum(engine, index, limit)]
    checks += _accumulation(engine, index, limit, checks[0])
    if "ghost" in engine.mode:
        checks.append(_norms(engine, index, limit))
    return checks


def telling_bound(engine: EngineRecord, *, given: bool = True) -> float | None:
    """A C that clips half of the first step's examples, where one that was ``given`` clips all or none."""
    step = next(iter(engine.steps), None)
    if step is None or engine.adaptive or engine.per_layer or nonfinite(engine) or why_unjudged(step):
        return None
    norms = _joined([b.norms for b in step.backwards])
    if step.max_grad_norm is None or not norms or (given and min(norms) <= step.max_grad_norm < max(norms)):
        return None
    try:
        return median_bound(torch.tensor(norms, dtype=torch.float64))
    except ValueError:
        return None


def median_bound(norms: Tensor) -> float:
    """A bound C that clips half of the examples and leaves half: between the two middle norms.

    With everything clipped, faults of scale hide; with nothing clipped, a missing clipping does.
    Where the norms are (nearly) equal, or there is one only, it is half of the middle norm, so that
    something is clipped. Raises ValueError where every norm is zero.
    """
    ordered = norms.sort().values
    if ordered.numel() == 0 or ordered[-1] <= 0:
        raise ValueError("every per-sample gradient is zero: there is nothing to clip")
    middle = ordered.numel() // 2
    lower, upper = float(ordered[max(middle - 1, 0)]), float(ordered[middle])
    bound = (lower + upper) / 2
    if bound <= 0 or float(ordered[-1]) < bound * 1.001:
        bound = float(ordered[-1]) / 2
    return bound


def at_bound(engine: EngineRecord, index: int, bound: float) -> Check:
    """The clipped sum of a run whose C was put at ``bound``, against the oracle."""
    check = _clipped_sum(engine, index, limit_for(engine))
    return replace(check, detail=f"C at the median norm ({bound:.3g}): {check.detail}")


def against_other_mode(
    engine: EngineRecord, other: EngineRecord, index: int, mode: str, own_is_right: bool | None
) -> list[Check]:
    """The clipped sums and the parameter changes of two runs on the same batches.

    ``own_is_right``: what the oracle says of the script as it is, None where it says nothing.
    """
    # Both modes see whole batches: the rounding between an example alone and in its batch is in neither.
    limit = parity_limit(engine.precision or engine.dtype, sum(engine.sizes))
    pairs = list(zip(engine.steps, other.steps, strict=False))
    names = f"{mode} against {engine.mode}"
    if other.unfollowed:
        why = f"{names}: the loss hides the model's output, from which the second pass would begin"
        return [unsupported(why, index), *step_against_oracle(engine, index)]
    if not pairs:
        reason = f"{names}: the run under {mode} made no logical step"
        return [Check("parity-step", None, engine=index, detail=reason)]
    different = next((i for i, (a, b) in enumerate(pairs) if a.batch_digest != b.batch_digest), None)
    if different is not None:
        pairs = pairs[:different]
        if not pairs:
            reason = f"{names}: the two runs drew different batches although seeded alike"
            return [Check("parity-step", None, engine=index, detail=reason)]
    sums = max(_distance(a.value, b.value, a) for a, b in pairs)
    steps = max(_step_distance(engine, a, b) for a, b in pairs)
    kind = "parameter change" if engine.linear_optimizer else "gradient handed to the optimizer"
    checks = []
    for name, value, what in (("parity-clipped-sum", sums, "clipped sum"), ("parity-step", steps, kind)):
        passed: bool | None = value <= limit
        detail = f"{names}: {what} over {len(pairs)} logical step{'s' * (len(pairs) > 1)}"
        if not passed and own_is_right is not False:
            passed = None
            detail += _why_modes_differ(engine, mode) if own_is_right else "; no oracle says which is right"
        checks.append(Check(name, passed, value, limit, engine=index, detail=detail))  # type: ignore[arg-type]
    return checks


def step_against_oracle(engine: EngineRecord, index: int) -> list[Check]:
    """``parity-step`` where no other mode can run the script: what was handed on, over the oracle's sum."""
    limit, worst = limit_for(engine), None
    for step in engine.steps:
        if why_unjudged(step) or step.handed is None or step.scale is None:
            continue
        wanted = expected_sum(step.physical) * step.scale
        worst = max(worst or 0.0, relative(step.handed, wanted, step.scale * (step.max_grad_norm or 1.0)))
    if worst is None:
        return []
    detail = "gradient handed to the optimizer, against the oracle"
    return [Check("parity-step", worst <= limit, worst, limit, engine=index, detail=detail)]


def sensitivity(
    script_run: RunRecord, index: int, removals: Mapping[int, Removal], checks: Sequence[Check]
) -> Check:
    """How far one example can move the value that receives the noise, in units of C.

    ``checks`` are those already made: a fault that they named is the fault here.
    """
    engine = script_run.engines[index]
    removal = removals.get(index)

    def no(why: str) -> Check:
        return Check("sensitivity", None, engine=index, detail=why)

    if engine.adaptive:
        return no("adaptive clipping moves C with the batch; its bound is not a fixed one")
    if removal is None:
        return no("the run made no such step")
    named = [c for c in checks if c.engine == index and c.passed is False]
    rules = list(dict.fromkeys(c.rule for c in named if c.rule))
    rounding = limit_for(engine)
    apart = max(removal.coupling or 0.0, removal.counted or 0.0)
    if set(rules) <= {"DPM117"} and apart > max(COUPLED, 20 * rounding):
        return _coupled(engine, removal, index)
    if not rules and (removal.kept or 0.0) > KEPT:
        said = (
            "replacing one example moves what receives the noise in the next step by this many C, though the "
        )
        said += "noisy step is the same: something is kept from batch to batch (features, a state, losses)"
        return Check("sensitivity", False, removal.kept, KEPT, "DPM124", index, f"examples-coupled: {said}")
    by_replacing = bool(removal.replacements) and (removal.replaced or not named)
    moves = removal.replacements if by_replacing else removal.moves
    if not moves:
        return no(removal.problem or "the run made no such step")
    place, worst = max(moves, key=lambda m: m[1])
    limit = (2 if by_replacing else 1) * (1 + max(1e-4, 5 * rounding if engine.precision else 0))
    detail = (
        f"{'replacing' if by_replacing else 'leaving out'} one example ({len(moves)} of {removal.size} tried)"
        f" moves what receives the noise by at most this many C (example {place} of the batch)"
    )
    if worst <= limit:
        if worst == 0:
            return no("leaving examples out of the last batch drawn changes nothing: it is not trained on")
        if "DPM103" in rules:
            return no(
                "nothing is clipped here, so that nothing bounds what one example can move; on this batch it "
                f"happens to be {worst:.2g} C at most"
            )
        return Check("sensitivity", True, worst, limit, None, index, detail)
    if (
        not named
        and not engine.late
        and any(c.passed for c in checks if (c.engine, c.name) == (index, "parity-clipped-sum"))
    ):
        # Each row's part is at most C, as the oracle has shown: the example is in several.
        rows = sum(b.count for b in engine.steps[-1].backwards)
        often = f" ({rows} rows for {removal.size} examples)" if rows > removal.size else ""
        cause = f"examples-coupled: the gradient of each row is clipped, and an example is in several{often}"
        return Check("sensitivity", False, worst, limit, "DPM124", index, f"{cause}: {detail}")
    if len(rules) > 1:
        detail += f"; {' and '.join(rules)} have a part in it together"
    return Check("sensitivity", False, worst, limit, rules[0] if rules else None, index, detail)


def attributed(checks: Sequence[Check]) -> list[Check]:
    """The checks, consequences put down to the fault that they follow from."""
    why = "the examples of a batch move one another: none has a gradient of its own to be clipped"
    result = []
    for check in checks:
        failed = [c for c in checks if c.engine == check.engine and c.passed is False]
        coupled = [
            c.rule for c in failed if c.name == "sensitivity" and c.rule in ("DPM121", "DPM124", "DPM313")
        ]
        named = {c.rule for c in failed if c.rule and c.name == "parity-clipped-sum"}
        if check.passed is False and check.name.startswith("parity"):
            if coupled and check.rule in (None, "DPM117"):
                check = replace(check, rule=coupled[0], detail=why)
            elif len(named) == 1 and check.rule is None:
                check = replace(check, rule=next(iter(named)))
        causes = {"DPM316": ("private-loader", "logical-batches"), "DPM106": ("logical-batches",)}
        cause = next(
            (r for r, of in causes.items() if check.name in of and r in {c.rule for c in failed}), None
        )
        if cause == "DPM316" and check.passed:
            continue
        check = replace(check, rule=cause) if cause and check.passed is False else check
        result.append(check)
    return result


def _coupled(engine: EngineRecord, removal: Removal, index: int) -> Check:
    """A batch whose parts do not add up: who else is in it changes what an example contributes."""
    limit = max(COUPLED, 20 * limit_for(engine))
    rule, cause = "DPM124", "examples-coupled"
    value, changes = removal.coupling, "changing one half of a batch changes what the other half contributes"
    if (value or 0.0) <= limit:
        cause += ": what an example contributes depends on how many are in its batch (is the loss scaled by "
        cause += "their number, or reduced otherwise than loss_reduction says?)"
        value, changes = removal.counted, "leaving out a third of a batch changes what the others contribute"
    elif engine.weighted:
        rule, cause = "DPM121", "class-weights: the loss divides by the sum of the class weights of the batch"
    elif engine.batch_norms:
        layers = ", ".join(engine.batch_norms[:4])
        rule, cause = "DPM313", f"batch-norm-in-private-model: {layers} normalises by the batch"
    elif removal.reshaped:
        cause += ": the shape of an example depends on the batch (padding to its longest)"
    elif removal.replaced:
        cause += ": the loop draws random numbers, perhaps to mix the examples by them (mixup?)"
    detail = f"{cause}: {changes} by this many C"
    if removal.moves:
        place, worst = removal.worst
        detail += f"; leaving out example {place} alone moves the sum by {worst:.4g} C"
    return Check("sensitivity", False, value, limit, rule, index, detail)


def measurements(record: RunRecord) -> list[Measurement]:
    """The figures that reports draw: norms, and errors by parameter, of every engine's first step."""
    figures = []
    for index, engine in enumerate(record.engines):
        judged = (s for s in engine.steps if s.backwards and not why_unjudged(s))
        step = next((s for s in judged if s.value is not None), None)
        if step is None or step.value is None:
            continue
        expected = expected_sum(step.physical)
        size = max(float(expected.norm()), 1e-30)
        seen, wanted = (torch.split(whole, engine.sizes) for whole in (step.value, expected))
        pairs = zip(engine.names, seen, wanted, strict=True)
        errors = {name: float((v - e).norm()) / size for name, v, e in pairs}
        figures.append(
            Measurement(
                engine=index,
                mode=engine.mode,
                physical_batches=len(step.physical),
                relative_error=step_error(step, step) or 0.0,
                norms=tuple(_joined([b.ghost_norms for b in step.backwards])),
                oracle_norms=tuple(_joined([b.norms for b in step.backwards])),
                layer_errors=errors,
            )
        )
    return figures


def step_errors(engine: EngineRecord) -> list[float | None]:
    """Relative error of the clipped sum against the oracle, by logical step; None where it has none."""
    return [step_error(s, s) for s in engine.steps]


def _clipped_sum(engine: EngineRecord, index: int, limit: float) -> Check:
    errors = step_errors(engine)
    measured = [e for e in errors if e is not None]
    if any(not math.isfinite(e) for e in measured):
        return Check(
            "parity-clipped-sum", False, None, limit, None, index, "NaN or infinity in the gradients"
        )
    bad = next((i for i, e in enumerate(errors) if e is not None and e > limit), None)
    if bad is not None:
        rule, sentence = fault(engine, engine.steps[bad], limit)
        return Check("parity-clipped-sum", False, max(measured), limit, rule, index, sentence)
    loose = next((s for s in engine.steps if why_unjudged(s) and unclipped(engine, s) is not None), None)
    if loose is not None:
        rule, sentence = fault(engine, loose, limit)
        return Check("parity-clipped-sum", False, None, limit, rule, index, sentence)
    if not measured:
        reason = why_unjudged(engine.steps[0]) or "no backward pass was seen"
        return Check("parity-clipped-sum", None, None, limit, None, index, f"no oracle: {reason}")
    plural = "s" if len(measured) > 1 else ""
    detail = f"{engine.mode} against the oracle: clipped sum over {len(measured)} logical step{plural}"
    # Of the later ones, those that do not hold have a check of their own.
    if held := [str(i) for i, s in engine.later.items() if (step_error(s, s) or 0.0) <= limit]:
        detail += f", and in step {', '.join(held)}"
    if limit > parity_limit(engine.precision or engine.dtype, sum(engine.sizes)):
        detail += "; the limit is what plain autograd rounds by on these batches"
    return Check("parity-clipped-sum", True, max(measured), limit, None, index, detail)


def _accumulation(engine: EngineRecord, index: int, limit: float, first: Check) -> list[Check]:
    """The memory manager's own fault, where another one was named for the sum already."""
    if first.passed is not False or first.rule == "DPM101":
        return []
    errors = [accumulation_error(engine, step) for step in engine.steps]
    worst = max((e for e in errors if e is not None and math.isfinite(e)), default=0.0)
    if worst <= max(limit, FIT):
        return []
    detail = (
        "ghost-batch-memory-manager: a second fault, beside the one above: the accumulated sum is not the "
        "sum of its physical batches"
    )
    return [Check("parity-clipped-sum", False, worst, limit, "DPM101", index, detail)]


def _norms(engine: EngineRecord, index: int, limit: float) -> Check:
    worst, count = 0.0, 0
    for step in engine.steps:
        for backward in step.backwards:
            ours, theirs = backward.norms, backward.ghost_norms
            if ours is None or theirs is None or not len(ours):
                continue
            if ours.shape != theirs.shape:
                detail = f"{len(theirs)} ghost norms for {len(ours)} examples"
                return Check("parity-norms", False, None, limit, None, index, detail)
            count += len(ours)
            worst = max(worst, relative(theirs, ours))
    if not count:
        return Check("parity-norms", None, None, limit, None, index, "no ghost norm was asked for")
    detail = f"per-sample gradient norms of {count} examples, ghost against the oracle"
    rule = None
    judged = next((step for step in engine.steps if not why_unjudged(step)), None)
    if not worst <= limit and judged is not None:
        rule, detail = fault(engine, judged, limit)
    return Check("parity-norms", worst <= limit, worst, limit, rule, index, detail)


def _step_distance(engine: EngineRecord, a: LogicalStep, b: LogicalStep) -> float:
    if not engine.linear_optimizer:
        return _distance(a.handed, b.handed, a)
    if a.before is None or a.after is None or b.before is None or b.after is None:
        return math.nan
    change = b.after - b.before
    # A change is the difference of two stored parameters: it cannot be known better than their rounding.
    rounding = 4 * torch.finfo(getattr(torch, engine.dtype)).eps * float(b.before.norm())
    return max(0.0, float((a.after - a.before - change).norm()) - rounding) / max(float(change.norm()), 1e-30)


def _distance(a: Tensor | None, b: Tensor | None, step: LogicalStep) -> float:
    if a is None or b is None:
        return math.nan
    return relative(a, b, step.max_grad_norm or 1.0)


def _why_modes_differ(engine: EngineRecord, mode: str) -> str:
    if "ghost" in engine.mode:
        why = " (it has class weights)" if engine.weighted else ""
        return f"; the oracle agrees with this script, which under hooks has another loss{why}"
    return f"; the oracle agrees with this script as it is, but under {mode} this Opacus would differ"


def _joined(parts: list[Tensor | None]) -> list[float]:
    return [float(v) for part in parts if part is not None for v in part]


def unsupported(reason: str, index: int) -> Check:
    """A comparison that this Opacus cannot make, as a check that does not apply."""
    return Check("parity-step", None, engine=index, detail=f"{UNSUPPORTED}{reason}")
