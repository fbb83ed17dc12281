"""From the releases of a run to its checks: what fed it, what moved it, what was accounted, and when."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from dpmigrate.runtime.report_types import Check
from dpmigrate.runtime.run.experiments.removal import Removal
from dpmigrate.runtime.run.figures import step_error
from dpmigrate.runtime.run.judging.naming import CHANGED, fault, late, run_named
from dpmigrate.runtime.run.judging.verdicts import limit_for
from dpmigrate.runtime.run.records import EngineRecord, RunRecord

REUSED = 0.2
"""Share of steps on batches used before from which on it is no accident of what was watched."""

DROPPED = 1e-2
"""A larger share of the gradient in what hooks have left out is no rounding."""

UNWRITTEN = 1e-6
"""The largest share by which rounding moves parameters that no example moves."""


def conduct(run: RunRecord, index: int) -> list[Check]:
    """``private-loader``, ``private-step``, ``accounting`` and ``logical-batches`` of one engine."""
    engine = run.engines[index]
    if not engine.releases and not engine.steps_without_noise:
        return []
    return [
        _private_loader(engine, index),
        private_step(engine, index),
        _accounting(run, engine, index),
        _logical_batches(engine, index),
    ]


def late_faults(engine: EngineRecord, index: int) -> list[Check]:
    """What the cheap watch sees of clipping at any step: the loss, the parameters, the clipping norm."""
    releases, faults = engine.releases, []
    later = replace(engine, steps=list(engine.later.values()))
    limit = limit_for(later)
    errors = {number: step_error(step, step) or 0.0 for number, step in engine.later.items()}
    wrong = {i: fault(later, engine.later[i], limit) for i, e in errors.items() if limit < e < math.inf}
    for rule, what in CHANGED.items():
        changed = [i for i, r in enumerate(releases, 1) if r.changed == rule]
        if changed:
            detail = f"{what} ({_steps(sorted({*changed, *(i for i in wrong if wrong[i][0] == rule)}))})"
            faults.append(Check("parity-clipped-sum", False, None, None, rule, index, detail))
    moved = [i for i, r in enumerate(releases, 1) if _other_norm(engine, r.module_norm, r.max_grad_norm)]
    if moved:
        last = releases[moved[-1] - 1]
        detail = (
            f"clip-schedule: the model clips at {last.module_norm:g}, while the noise is scaled by "
            f"{last.max_grad_norm:g} ({_steps(moved)}): one example moves the sum by up to "
            f"{(last.module_norm or 0) / (last.max_grad_norm or 1):.3g} C"
        )
        faults.append(Check("parity-clipped-sum", False, None, None, "DPM116", index, detail))
    if wrong and all(check.rule != wrong[min(wrong)][0] for check in faults):
        (named, said), error = wrong[min(wrong)], errors[min(wrong)]
        said = f"{said} (step {min(wrong)})"
        faults.append(Check("parity-clipped-sum", False, error, limit, named, index, said))
    right = all((step_error(s, s) or 0.0) < DROPPED for s in engine.steps)
    dropped = max((b.direct for s in engine.steps for b in s.backwards), default=0.0)
    if "ghost" not in engine.mode and right and dropped > DROPPED * (10 if engine.precision else 1):
        detail = (
            "penalty-dropped: a term of the loss depends on the parameters, not on the model's output: it "
            f"has no per-sample gradient, and is left out ({dropped:.0%} of the whole gradient)"
        )
        faults.append(Check("parity-clipped-sum", False, dropped, DROPPED, "DPM122", index, detail))
    if engine.wrapped_after:
        detail = (
            f"plain-ddp: DistributedDataParallel around the private model ({engine.wrapped_after}) "
            "synchronises nothing: each process steps by the sum of its own batch, and has its own model"
        )
        faults.append(Check("parity-step", False, None, None, "DPM312", index, detail))
    if "ghost" in engine.mode and (engine.late or engine.frozen):
        faults.append(Check("parity-norms", False, None, None, "DPM119", index, late(engine)))
    return faults


def _other_norm(engine: EngineRecord, used: float | None, noised: float | None) -> bool:
    if "ghost" not in engine.mode or engine.adaptive or used is None or noised is None:
        return False
    # Where it was never handed on, that is another fault (DPM102).
    return used > noised * (1 + 1e-6) and noised != engine.asked_norm


def _steps(numbers: list[int]) -> str:
    more = len(numbers) > 1
    return (f"{len(numbers)} steps, the first is " if more else "") + f"step {numbers[0]}"


def _private_loader(engine: EngineRecord, index: int) -> Check:
    fed = Counter(kind for r in engine.releases for kind in r.fed if kind)
    total = sum(fed.values())

    def check(passed: bool | None, detail: str, rule: str | None = None) -> Check:
        # Neither a sampler that is not used nor one of another kind is a batch that could be counted.
        counted = total and rule != "DPM303" and (passed or total > fed["private"])
        value, limit = (total - fed["private"], 0) if counted else (None, None)
        return Check("private-loader", passed, value, limit, rule, index, detail)

    if engine.dropped_sampler:
        said = f"Poisson sampling draws from all {engine.population} records of the data set"
        said += f"; the {engine.dropped_sampler} of the loader that make_private was given has no effect"
        return check(False, f"sampler-replaced: {said}", "DPM303")
    if not engine.loader:
        return check(None, "no private loader: the DP optimizer was made by hand")
    if not total:
        return check(None, "no call of the model in a step was seen")
    if fed["other"]:
        said = f"{fed['other']} of {total} batches came from another loader than the one that make_private "
        said += f"returned, iterated at {engine.other_place}"
        return check(False, f"private-loader-unused: {said}", "DPM301")
    if fed["none"] > REUSED * total:
        said = "the batches come from no loader: they are not drawn as the accountant believes"
        if fed["private"]:
            said = f"{fed['none']} of {total} batches were trained on again, without being drawn afresh: "
            said += "each counts as a new sample in epsilon"
        return check(False, said, "DPM308")
    rate = max((rate for r in engine.releases for _, _, rate in r.accounted), default=1.0)
    if not engine.poisson and rate < 1 and (engine.epsilon or engine.asked_delta):
        said = f"the loader draws no Poisson samples, as epsilon at a rate of {rate:.3g} takes for granted: "
        said += "what is printed is smaller than what is proved (leave poisson_sampling at True)"
        return check(False, f"poisson-sampling-off: {said}", "DPM308")
    return check(True, f"{total} batches of the loader that make_private returned")


def private_step(engine: EngineRecord, index: int) -> Check:
    """``private-step``: every step of an optimizer on this model is a private one."""
    steps = len(engine.releases)
    between = f"beside {steps} private steps" if steps else "and the private one never"
    raw, other, before = engine.raw, engine.other, engine.before
    for bare, rule, said in (
        (raw, "DPM120", f"the optimizer that make_private wrapped was stepped bare {raw.count} times"),
        (other, "DPM123", f"another optimizer trains the private model, in {other.count} steps"),
        (before, engine.before_rule, f"{before.count} steps on this data set before the model was private"),
    ):
        if bare.count:
            name = "raw-optimizer-stepped" if rule == "DPM120" else "second-optimizer"
            detail = f"{name}: {said} ({bare.by}) {between}: no clipping, no noise, and not in epsilon"
            return Check("private-step", False, bare.count, 0, rule, index, detail)
    detail = f"every step of an optimizer on this model is one of its {steps} private steps"
    if engine.moved:
        detail += f"; parameters were written {engine.moved} times between steps (loaded, averaged, clamped?)"
    if engine.beside.count:
        detail += f"; {engine.beside.by} trains other models by losses that this one has a part in"
    if engine.taught.count:
        detail += f"; {engine.taught.by} has trained another model on this data set, without privacy: labels "
        detail += "or features that it has made by then are not looked at"
    return Check("private-step", True, 0, 0, None, index, detail)


def is_written(engine: EngineRecord) -> bool:
    """Whether something is trained beside the steps, and not by an optimizer that is a fault already."""
    beside = engine.moved or engine.beside.count or engine.taught.count
    return bool(beside) and not engine.steps_without_noise


def written(engine: EngineRecord, removal: Removal, index: int) -> list[Check]:
    """``private-step`` where an example is seen in parameters that no private step has written."""
    seen = "another example in a batch moves {} by this share, though the noisy step is the same"
    written = (
        "second-optimizer: the parameters are written between steps by what depends on the batch, without "
        "clipping and noise (an update by hand, or weights of a model trained without privacy): "
    ) + seen.format("them")
    beside = (
        f"second-optimizer: {engine.beside.by}, stepped {engine.beside.count} times, trains what stands "
        "outside the private model, by a loss that both have a part in, without clipping and noise: "
    ) + seen.format("it")
    taught = (
        f"second-optimizer: a model trained on this data set without privacy ({engine.taught.by}) has a part "
        "in the loss: changing its weights moves what receives the noise by this share"
    )
    return [
        Check("private-step", False, share, UNWRITTEN, "DPM123", index, detail)
        for share, detail in ((removal.written, written), (removal.beside, beside), (removal.taught, taught))
        if (share or 0.0) > UNWRITTEN
    ]


def _accounting(run: RunRecord, engine: EngineRecord, index: int) -> Check:
    steps = len(engine.releases)
    heard = Counter(who for r in engine.releases for who, _, _ in r.accounted)
    most = max(heard.values(), default=0)

    def check(passed: bool | None, detail: str, rule: str | None = None) -> Check:
        counted = rule not in ("DPM304", "DPM310")
        value, limit = (max(0, most - engine.forgotten), steps) if counted else (None, None)
        return Check("accounting", passed, value, limit, rule, index, detail)

    if not run.accountants:
        return check(None, "this process has no accountant")
    earlier, rule = engine.resumed or (index, "")
    other = run.engines[earlier]
    if rule and not _counted_on(run, (engine, other)):
        name = "accountant-not-resumed" if rule == "DPM310" else "engine-remade-in-loop"
        said = f"its weights go on from those that {run_named(run, earlier)} has trained in "
        said += (
            f"{len(other.releases)} steps, and its accountant knows nothing of them: epsilon starts at zero"
        )
        return check(False, f"{name}: {said}", rule)
    if not steps:
        return check(None, "no private step")
    if most < steps - 1 <= sum(heard.values()):
        said = f"{len(heard)} accountants share {steps} private steps, and none counts more than {most}"
        return check(False, f"epsilon-misreported: {said}: epsilon is that of a part", "DPM307")
    if most < steps - 1:
        said = f"an accountant heard of {most or 'none'} of {steps} private steps"
        return check(False, f"accounting-not-attached: {said}", "DPM315")
    if most > steps + 1:
        return check(False, f"{steps} private steps are accounted {most} times: epsilon is larger than it is")
    if engine.forgotten:
        said = f"the accountant no longer holds {engine.forgotten} of its steps as it was told them"
        return check(False, f"epsilon-misreported: {said}: epsilon is that of a part", "DPM307")
    told = [(m, r.multiplier) for r in engine.releases for _, m, _ in r.accounted]
    asked = engine.asked_multiplier
    if engine.adaptive and asked is not None and any(m > asked * (1 + 1e-6) for m, _ in told):
        said = "the accountant is told a larger noise multiplier than was asked for"
        return check(False, f"adaptive-accounting: {said}", "DPM305")
    more = [(m, used) for m, used in told if m > used * (1 + 1e-6)]
    if more and not engine.adaptive:
        said = f"the accountant is told noise multiplier {more[0][0]:g}, and {more[0][1]:g} is used"
        return check(False, f"epsilon-misreported: {said}", "DPM307")
    return check(True, f"each of {steps} private steps is accounted once")


def _counted_on(run: RunRecord, engines: Sequence[EngineRecord]) -> bool:
    """Whether each of these private runs has an accountant that goes on, and counts another run as well.

    A script may keep its own, one for each client, beside those that begin with every engine.
    """
    counted = [_counted_by(e) for e in run.engines]
    return all(sum(bool(_counted_by(e) & others) for others in counted) > 1 for e in engines)


def _counted_by(engine: EngineRecord) -> set[int]:
    """The accountants that heard of all steps of a private run."""
    heard = Counter(who for r in engine.releases for who in {who for who, _, _ in r.accounted})
    return {who for who, count in heard.items() if count >= len(engine.releases) - 1}


def _logical_batches(engine: EngineRecord, index: int) -> Check:
    if engine.shifted:
        detail = (
            f"empty-batch-skipped: {engine.left_out} batches of the memory manager got no step, or none that "
            "ended their logical batch (empty ones, `continue`, `break`), and the next took their places: "
            f"logical batches begin and end in the wrong places since then ({engine.shifted} calls of step())"
        )
        return Check("logical-batches", False, float(engine.shifted), 0.0, "DPM302", index, detail)
    rated = [(r.examples, r.accounted[0][2]) for r in engine.releases if r.accounted and r.fed]
    if not rated or engine.population is None or not any(n for n, _ in rated):
        return Check("logical-batches", None, engine=index, detail="no rate is accounted for these batches")
    share = engine.population / engine.processes if engine.share is None else engine.share
    expected = sum(rate for _, rate in rated) * share / len(rated)
    mean = sum(n for n, _ in rated) / len(rated)
    limit = 1.1 * expected + 5 * math.sqrt(expected / len(rated)) + 1
    size = f"{mean:.4g} records a step, {expected:.4g} at the rate that is accounted"
    if mean > limit:
        detail = f"sampling-rate-mismatch: {size}: epsilon is smaller than it is"
        return Check("logical-batches", False, mean, limit, "DPM314", index, detail)
    return Check("logical-batches", True, mean, limit, None, index, size)
