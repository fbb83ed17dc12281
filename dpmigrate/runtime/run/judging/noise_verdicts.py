"""From records to the checks of the noise: as large as promised, fresh, and the same for one seed."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dpmigrate.runtime.report_types import Check
from dpmigrate.runtime.run.judging.naming import run_named
from dpmigrate.runtime.run.records import EngineRecord, Release, RunRecord

ALIKE = 1e-4
"""Two draws, in units of their standard deviation, that lie nearer are one draw; the rest is rounding."""

FEW = 4
"""Fewer records may be drawn alike by chance."""

SEEDED = "on purpose: fit for experiments, and no privacy against anyone who knows the seed"

NOTHING_PRIVATE = "noise multiplier 0: no noise is added, and nothing is private"


def noise_std(engine: EngineRecord, index: int) -> list[Check]:
    """``noise-std``: the noise that was added over sigma*C."""
    scaled = [r for r in engine.releases if r.sigma > 0 and r.noise_count > 1]
    if not engine.releases:
        return []
    promised = max([engine.asked_multiplier or 0.0, *(r.multiplier for r in engine.releases)])
    switched_off = [r for r in engine.releases if r.multiplier == 0 < promised]
    without = switched_off or [r for r in scaled if r.noise_std == 0 and engine.adds_noise]
    if without:
        first = engine.releases.index(without[0]) + 1
        where = f"{len(without)} of {len(engine.releases)} steps (the first is step {first})"
        detail = f"no-noise: no noise is added at {where}, and epsilon counts on it"
        if switched_off:
            detail = f"no-noise: the noise multiplier is 0 at {where}, and {promised:g} was asked for"
        return [Check("noise-std", False, 1.0, 0.0, "DPM208", index, detail)]
    if not (scaled and engine.adds_noise):
        why = "the first rank adds the noise for all" if scaled else NOTHING_PRIVATE
        return [Check("noise-std", None, engine=index, detail=why)]
    total = sum(r.noise_count for r in scaled)
    square = sum((r.noise_std / r.sigma) ** 2 * r.noise_count for r in scaled) / total
    ratio, limit = math.sqrt(square), 5 / math.sqrt(2 * total)
    detail = f"noise std over sigma*C is {ratio:.4f} for {total} draws"
    worst = max(scaled, key=lambda r: abs(r.noise_std / r.sigma - 1) * math.sqrt(r.noise_count))
    off = abs(worst.noise_std / worst.sigma - 1)
    if abs(ratio - 1) <= limit and off > 8 / math.sqrt(2 * worst.noise_count):
        at = engine.releases.index(worst) + 1
        ratio, limit = worst.noise_std / worst.sigma, 8 / math.sqrt(2 * worst.noise_count)
        detail = f"noise std over sigma*C is {ratio:.4f} at step {at}"
    passed, rule = abs(ratio - 1) <= limit, None
    if not passed and _repeated(scaled) is not None:
        # Draws that repeat are no more evidence than those of one step.
        limit = 5 / math.sqrt(2 * max(r.noise_count for r in scaled))
        passed = abs(ratio - 1) <= limit
    if not passed and ratio < 1:
        detail, rule = f"no-noise: {detail}: less than epsilon counts on", "DPM208"
    return [Check("noise-std", passed, abs(ratio - 1), limit, rule, index, detail)]


def noise_fresh(run: RunRecord, fresh: RunRecord | None, index: int) -> list[Check]:
    """``noise-fresh``: within the run, and between it and a run that was seeded otherwise."""
    engine = run.engines[index]
    if not engine.releases:
        return []
    asked = any(r.sigma > 0 for r in engine.releases)
    drawn = [r for r in engine.releases if r.noise_std > 0]
    if not (asked and drawn):
        why = "no noise is drawn" if asked else NOTHING_PRIVATE
        return [Check("noise-fresh", None, engine=index, detail=why)]
    again = _repeated(drawn)
    if again is not None:
        first, second = (engine.releases.index(r) + 1 for r in again)
        why = "the noise is kept or seeded:"
        if again[0].generator_state == again[1].generator_state:
            why = "the generator is set back while training goes on, and"
        detail = f"reseeded-in-loop: {why} step {second} adds the noise of step {first} again: whoever sees "
        detail += "both subtracts it"
        return [Check("noise-fresh", False, None, None, "DPM205", index, detail)]
    beside = (i for i, e in enumerate(run.engines[:index]) if _trains_beside(e, engine))
    twin = next((i for i in beside if _alike(run.engines[i].releases[0], engine.releases[0])), None)
    if twin is not None:
        detail = f"reseeded-in-loop: it adds the noise of {run_named(run, twin)}, which goes on beside it: "
        detail += "both draw from one seed, and whoever sees both subtracts it"
        return [Check("noise-fresh", False, None, None, "DPM205", index, detail)]
    within = f"no two of {len(drawn)} steps add the same noise"
    other = None if fresh is None or index >= len(fresh.engines) else fresh.engines[index]
    if fresh is None or other is None or not other.releases:
        return [Check("noise-fresh", True, engine=index, detail=f"{within}; no second process made a step")]
    seeds_itself = engine.releases[0].seed == other.releases[0].seed
    passed: bool | None = False
    detail = "two processes draw the same noise"
    bare = engine.generator == "bare"
    if not _alike(drawn[0], other.releases[0]):
        passed, detail = True, f"{within}, nor do two processes"
    elif bare:
        detail = "unseeded-noise-generator: a bare torch.Generator() draws the same, public noise in every "
        detail += "run; anyone can subtract it"
    elif engine.generator != "none" or seeds_itself:
        whose = "its noise generator" if engine.generator != "none" else "the global generator"
        passed, detail = None, f"{within}, but every run adds the same: the script seeds {whose} {SEEDED}"
    rule = "DPM201" if bare and not passed else None
    check = Check("noise-fresh", passed, None, None, rule, index, detail)
    return [check, *_batches_fresh(engine, other, index, seeds_itself)]


def _batches_fresh(engine: EngineRecord, other: EngineRecord, index: int, seeds_itself: bool) -> list[Check]:
    if engine.loader_generator in ("", "none") or seeds_itself:
        return []
    both = min(len(engine.first_drawn), len(other.first_drawn))
    if both < FEW or engine.first_drawn[:both] != other.first_drawn[:both]:
        return []
    detail = f"every run draws the same batches: the script seeds the loader's generator {SEEDED}"
    if engine.loader_generator != "bare":
        return [Check("noise-fresh", None, engine=index, detail=detail)]
    detail = "unseeded-loader-generator: a bare torch.Generator() draws the same batches in every process: "
    detail += "epsilon counts on batches that nobody can know"
    return [Check("noise-fresh", False, None, None, "DPM202", index, detail)]


def reproducible(engine: EngineRecord, twin: EngineRecord | None, index: int) -> list[Check]:
    """``reproducible``: two runs from one seed make the same parameters, step by step."""
    if not engine.steps:
        return []

    def no(detail: str) -> list[Check]:
        return [Check("reproducible", None, engine=index, detail=detail)]

    if twin is None or not twin.steps:
        return no("the second run with this seed made no step of it: the script takes entropy of its own")
    pairs = list(zip(engine.steps, twin.steps, strict=False))
    first, second = pairs[0]
    if _apart(first.before, second.before):
        return no("the script takes entropy of its own: two runs with one seed begin with other parameters")
    if any(a.batch_digest != b.batch_digest for a, b in pairs):
        return no("the script takes entropy of its own: two runs with one seed train on other batches")
    releases = list(zip(engine.releases, twin.releases, strict=False))[: len(pairs)]
    if any(r.noise_std > 0 and s.noise_std > 0 and not _alike(r, s) for r, s in releases):
        return no(
            "the noise generator takes entropy of its own, as production privacy wants; batches are equal"
        )
    worst = max(_apart(a.after, b.after) for a, b in pairs)
    how = "draw the same batches and the same noise, and differ in parameters" if worst else "are bit-equal"
    detail = f"two runs with one seed {how}"
    return [Check("reproducible", worst == 0, worst, 0.0, None, index, detail)]


def _apart(one: Tensor | None, other: Tensor | None) -> float:
    """The largest difference of any number of two vectors; 0 where one was not kept."""
    return 0.0 if one is None or other is None else float((one - other).abs().max())


def _repeated(releases: list[Release]) -> tuple[Release, Release] | None:
    """Two releases of one noise, the first such pair; None where all differ."""
    width = min(len(r.noise) for r in releases)
    if width < 2:
        return None
    rows = torch.stack([r.noise[:width] for r in releases])
    for later in range(1, len(rows)):
        gaps = (rows[:later] - rows[later]).abs().amax(dim=1)
        near = (gaps <= _slack(rows[later])).nonzero().flatten()
        if len(near):
            return releases[int(near[0])], releases[later]
    return None


def _trains_beside(earlier: EngineRecord, later: EngineRecord) -> bool:
    """Whether two runs of one process take turns, as clients do; those of a sweep do not."""
    if not earlier.releases or not later.releases:
        return False
    (process, last), (other, first) = earlier.releases[-1].order, later.releases[0].order
    return process == other and last > first


def _alike(one: Release, other: Release) -> bool:
    if one.noise.shape != other.noise.shape or not len(one.noise):
        return False
    return bool((one.noise - other.noise).abs().max() <= _slack(one.noise))


def _slack(noise: Tensor) -> float:
    # Few numbers come near each other by chance.
    return ALIKE if len(noise) < 16 else 100 * ALIKE
