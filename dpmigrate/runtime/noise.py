"""The noise that a session really adds: its standard deviation, its freshness, its reproducibility."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dpmigrate.runtime.session import Session, StepResult

PUBLIC_SEED = 67280421310721
"""``torch.Generator().initial_seed()``: a bare generator draws this same stream in every process."""

WANTED_DRAWS = 20_000
MOST_STEPS = 60
STANDARD_ERRORS = 5.0
"""A right sample leaves this band around sigma*C with probability below one in a million."""

MakeSession = Callable[[], Session]


def noise_ratio(session: Session, batch: Any, expected_std: float) -> tuple[float, float, int]:
    """Sample standard deviation over ``expected_std``, the allowed distance from 1, and the draws.

    Runs logical steps until enough coordinates were drawn. The ratio is NaN where the DP optimizer
    never stepped.
    """
    draws: list[Tensor] = []
    count = 0
    for _ in range(MOST_STEPS):
        noise = _flat(session.run(batch))
        draws.append(noise)
        count += noise.numel()
        if count >= WANTED_DRAWS or noise.numel() == 0:
            break
    sample = torch.cat(draws)
    if sample.numel() == 0:
        return float("nan"), 0.0, 0
    ratio = float(sample.square().mean().sqrt() / expected_std)
    return ratio, STANDARD_ERRORS / (2 * sample.numel()) ** 0.5, sample.numel()


def unseeded_noise(make: MakeSession, batch: Any) -> dict[str, Tensor]:
    """The noise of one logical step in a freshly seeded random state (the caller restores its own)."""
    torch.seed()
    return make().run(batch).noise


def same_noise(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    """Whether two draws agree to rounding (what is measured is a difference of two sums)."""
    return a.keys() == b.keys() and all(torch.allclose(a[n], b[n], rtol=1e-3, atol=1e-6) for n in a)


def seeded_step(make: MakeSession, batch: Any, seed: int) -> StepResult:
    """One logical step after ``torch.manual_seed(seed)``, model dropout included."""
    torch.manual_seed(seed)
    return make().run(batch)


def same_step(a: StepResult, b: StepResult) -> bool:
    """Whether two steps agree to the last bit in sum, noise and parameter change."""
    return bool(a.steps and a.steps == b.steps) and all(
        set(x) == set(y) and all(torch.equal(x[name], y[name]) for name in x)
        for x, y in ((a.clipped_sum, b.clipped_sum), (a.noise, b.noise), (a.change, b.change))
    )


def public_noise(like: dict[str, Tensor], std: float) -> dict[str, Tensor]:
    """What a bare ``torch.Generator()`` draws for these parameters in the optimizer's order."""
    generator = torch.Generator()
    return {
        name: torch.normal(0.0, std, tuple(value.shape), generator=generator).double()
        for name, value in like.items()
    }


def is_public_stream(generator: torch.Generator) -> bool:
    """Whether a generator was never given a seed."""
    return generator.initial_seed() == PUBLIC_SEED


def copy_generator(generator: torch.Generator) -> torch.Generator:
    """A generator in the same state, so that measuring does not advance the caller's."""
    twin = torch.Generator(device=generator.device)
    twin.set_state(generator.get_state())
    return twin


def _flat(step: StepResult) -> Tensor:
    if not step.noise:
        return torch.zeros(0, dtype=torch.float64)
    return torch.cat([t.reshape(-1) for t in step.noise.values()])
