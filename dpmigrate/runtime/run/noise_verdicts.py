"""From records to the checks of the noise: as large as promised, fresh, and the same for one seed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from dpmigrate.runtime.report_types import Check
from dpmigrate.runtime.run.records import EngineRecord, RunRecord


def noise_checks(first: RunRecord, again: RunRecord, fresh: Sequence[RunRecord]) -> list[Check]:
    """``noise-std``, ``reproducible`` and ``noise-fresh`` of every engine that made a step."""
    checks = []
    # Unseeded runs start from fresh entropy: only the script can have given both the same seed.
    seeds_itself = len({r.initial_seed for r in fresh}) == 1
    for index, engine in enumerate(first.engines):
        if not engine.steps:
            continue
        checks.append(_noise_std(engine, index))
        twin = again.engines[index] if index < len(again.engines) else None
        checks.append(_reproducible(engine, twin, index))
        free = [r.engines[index] for r in fresh if index < len(r.engines) and r.engines[index].steps]
        checks.append(_noise_fresh(engine, free, index, seeds_itself))
    return checks


def _noise_std(engine: EngineRecord, index: int) -> Check:
    drawn = [
        (s.noise_std / s.sigma, s.noise_count) for s in engine.steps if s.sigma > 0 and s.noise_count > 1
    ]
    if not drawn:
        why = (
            "noise multiplier 0" if all(s.sigma == 0 for s in engine.steps) else "this process draws no noise"
        )
        return Check("noise-std", None, engine=index, detail=why)
    total = sum(n for _, n in drawn)
    ratio = math.sqrt(sum(r * r * n for r, n in drawn) / total)
    limit = 5 / math.sqrt(2 * total)
    detail = f"noise std over sigma*C is {ratio:.4f} for {total} draws"
    return Check("noise-std", abs(ratio - 1) <= limit, abs(ratio - 1), limit, None, index, detail)


def _reproducible(engine: EngineRecord, twin: EngineRecord | None, index: int) -> Check:
    if twin is None or len(twin.steps) != len(engine.steps):
        return Check(
            "reproducible", False, None, 0.0, None, index, "two runs with one seed made different steps"
        )
    pairs = list(zip(engine.steps, twin.steps, strict=True))
    batches = all(a.batch_digest == b.batch_digest for a, b in pairs)
    noise = all(a.noise_digest == b.noise_digest for a, b in pairs)
    same = all(
        a.after is not None and b.after is not None and torch.equal(a.after, b.after) for a, b in pairs
    )
    if batches and not noise and engine.generator != "none":
        detail = (
            "the noise generator takes entropy of its own, as production privacy wants; batches are equal"
        )
        return Check("reproducible", None, engine=index, detail=detail)
    worst = max(
        (
            float((a.after - b.after).abs().max())
            for a, b in pairs
            if a.after is not None and b.after is not None
        ),
        default=math.nan,
    )
    what = "batches" if not batches else "noise" if not noise else "parameters"
    detail = (
        "two runs with one seed are bit-equal"
        if same and noise
        else f"two runs with one seed differ in {what}"
    )
    return Check("reproducible", same and noise, worst, 0.0, None, index, detail)


def _noise_fresh(engine: EngineRecord, free: list[EngineRecord], index: int, seeds_itself: bool) -> Check:
    if not any(s.noise_count for s in engine.steps):
        return Check("noise-fresh", None, engine=index, detail="no noise is drawn")
    if len(free) < 2:
        return Check("noise-fresh", None, engine=index, detail="an unseeded run made no step")
    first, second = free[0].steps[0], free[1].steps[0]
    if first.noise_digest != second.noise_digest:
        return Check("noise-fresh", True, engine=index, detail="two unseeded runs draw different noise")
    if engine.generator == "bare":
        detail = (
            "unseeded-noise-generator: a bare torch.Generator() draws the same, public noise in every run; "
            "anyone can subtract it"
        )
        return Check("noise-fresh", False, None, None, "DPM201", index, detail)
    if engine.generator != "none" or seeds_itself:
        who = "its noise generator" if engine.generator != "none" else "the global generator"
        detail = f"the script seeds {who} on purpose: equal noise in every run, fit for experiments only"
        return Check("noise-fresh", None, engine=index, detail=detail)
    return Check("noise-fresh", False, None, None, None, index, "two unseeded runs draw the same noise")
