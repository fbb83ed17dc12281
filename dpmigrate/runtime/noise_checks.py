"""The checks of the noise: as large as promised, fresh, and the same for one seed."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import torch

from dpmigrate.runtime import noise as noise_of
from dpmigrate.runtime.batches import batch_size, take
from dpmigrate.runtime.model_copy import isolated
from dpmigrate.runtime.report_types import CHECK_NAMES, Check

NAMES = ("noise-std", "noise-fresh", "reproducible")

SMALL_BATCH = 8
"""Examples in a step that is made only for its noise."""


def noise_checks(
    make: noise_of.MakeSession,
    batch: Any,
    *,
    names: Collection[str],
    std: float,
    generator: torch.Generator | None,
    seed: int,
    adaptive: bool = False,
) -> Iterator[Check]:
    """The selected checks of sessions that ``make`` builds; ``std`` is sigma*C, 0 for no noise at all.

    ``generator`` is the caller's own noise generator, which is only looked at.
    """
    if std <= 0 or adaptive:
        why = "noise_multiplier is 0" if std <= 0 else "adaptive clipping adjusts its own noise"
        for name in CHECK_NAMES:
            if name in NAMES and name in names:
                yield Check(name, None, detail=why)
        return
    small = take(batch, range(min(batch_size(batch), SMALL_BATCH)))
    if "noise-std" in names:
        yield _noise_std(make, small, std)
    if "noise-fresh" in names:
        yield _noise_fresh(make, small, std, generator, seed)
    if "reproducible" in names:
        yield _reproducible(make, batch, seed)


def _noise_std(make: noise_of.MakeSession, batch: Any, std: float) -> Check:
    ratio, band, draws = noise_of.noise_ratio(make(), batch, std)
    return Check(
        "noise-std",
        abs(ratio - 1) <= band,
        abs(ratio - 1),
        band,
        detail=f"standard deviation of {draws} draws is {ratio:.4f} sigma*C: its distance from 1"
        if draws
        else "the DP optimizer never stepped: no noise was added",
    )


def _noise_fresh(
    make: noise_of.MakeSession, batch: Any, std: float, generator: torch.Generator | None, seed: int
) -> Check:
    if generator is not None and noise_of.is_public_stream(generator):
        return Check(
            "noise-fresh",
            False,
            rule="DPM201",
            detail="noise_generator was never seeded: its stream is public, the same in every process",
        )
    if generator is not None:
        return Check("noise-fresh", None, detail="the noise generator is seeded on purpose")
    with isolated(seed):
        first = noise_of.unseeded_noise(make, batch)
        second = noise_of.unseeded_noise(make, batch)
    if first and noise_of.same_noise(first, noise_of.public_noise(first, std)):
        return Check("noise-fresh", False, detail="the noise is that of a bare torch.Generator()")
    fresh = bool(first) and not noise_of.same_noise(first, second)
    return Check("noise-fresh", fresh, detail="two unseeded runs draw different noise")


def _reproducible(make: noise_of.MakeSession, batch: Any, seed: int) -> Check:
    with isolated(seed):
        first = noise_of.seeded_step(make, batch, seed)
        second = noise_of.seeded_step(make, batch, seed)
    return Check(
        "reproducible",
        noise_of.same_step(first, second),
        detail="two runs with one seed are equal to the last bit",
    )
