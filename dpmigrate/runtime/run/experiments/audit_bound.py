"""What counts of right and wrong guesses prove about epsilon: the arithmetic of an audit.

A guess from one observation whether an example was in the batch, wrong with probability alpha where it was
not and beta where it was, is possible only where the noise leaves a gap of mu = z(1 - alpha) - z(beta)
standard deviations (Gaussian differential privacy: Dong, Roth and Su 2022; as an audit: Nasr et al. 2023).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

MESH = 1e-3
"""Width of the grid of privacy losses; each step loses at most that much of epsilon."""

LARGEST = 120.0
"""The largest privacy loss of one step that is counted: what lies beyond is left out."""


@dataclass
class Guesses:
    """``wrong`` of ``drawn`` observations were guessed wrong."""

    drawn: int = 0
    wrong: int = 0


def gap_shown(absent: Guesses, present: Guesses, doubt: float) -> float:
    """The mu that the guesses prove but for a probability of ``doubt``; 0 where they prove none."""
    if not absent.drawn or not present.drawn:
        return 0.0
    alpha, beta = (most_likely_wrong(g, doubt / 2) for g in (absent, present))
    if alpha + beta >= 1:
        return 0.0
    return max(0.0, _quantile(1 - alpha) + _quantile(1 - beta))


def most_likely_wrong(guesses: Guesses, doubt: float) -> float:
    """The upper end of Clopper and Pearson's interval for the rate of wrong guesses (one-sided)."""
    if guesses.wrong >= guesses.drawn:
        return 1.0
    k = torch.arange(guesses.wrong + 1, dtype=torch.float64)
    n = torch.tensor(float(guesses.drawn), dtype=torch.float64)
    ways = torch.lgamma(n + 1) - torch.lgamma(k + 1) - torch.lgamma(n - k + 1)

    def at_most_so_many(rate: float) -> float:
        logs = ways + k * math.log(rate) + (n - k) * math.log1p(-rate)
        return float(torch.logsumexp(logs, 0).exp())

    return _crossing(at_most_so_many, doubt, guesses.wrong / guesses.drawn, 1.0)


def epsilon_shown(steps: Sequence[tuple[float, float]], delta: float) -> float:
    """A lower bound of the epsilon of Gaussian steps, each ``(mu, sampling rate)``, at ``delta``.

    The privacy loss of each step, where the example may be in the batch, is put on a grid, rounded down, with
    what does not fit left out, and the grids are convolved: every error makes the bound smaller.
    """
    grids = [_losses(mu, min(rate, 1.0)) for mu, rate in steps if mu > 0 and rate > 0]
    least = sum(first for first, _ in grids)
    total = _convolved([masses for _, masses in grids])
    losses = (torch.arange(len(total), dtype=torch.float64) + least) * MESH

    def delta_of(epsilon: float) -> float:
        beyond = slice(max(0, math.floor(epsilon / MESH) + 1 - least), None)
        return float((total[beyond] * -torch.expm1(epsilon - losses[beyond])).sum())

    if delta_of(0.0) <= delta:
        return 0.0
    return _crossing(delta_of, delta, 0.0, float(losses[-1]))


def _losses(mu: float, rate: float) -> tuple[int, Tensor]:
    """(place of the first, masses) of one step's privacy loss on the grid."""
    lowest = math.log1p(-rate) if rate < 1 else -math.inf
    middle, spread = mu * mu / 2, 12 * mu
    first = math.floor(max(lowest, -middle - spread) / MESH)
    last = math.ceil(min(middle + spread, LARGEST) / MESH)
    edges = torch.arange(first, last + 1, dtype=torch.float64) * MESH
    inside = (torch.expm1(edges) + rate) / rate
    # Below the least loss there is nothing.
    seen = torch.where(inside > 0, (inside.clamp(min=1e-300).log() + middle) / mu, -torch.inf)
    below = (1 - rate) * torch.special.ndtr(seen) + rate * torch.special.ndtr(seen - mu)
    return first, below.diff().clamp(min=0)


def _convolved(grids: Sequence[Tensor]) -> Tensor:
    size = sum(len(grid) - 1 for grid in grids) + 1
    padded = 2 ** math.ceil(math.log2(size))
    spectrum = torch.ones(padded // 2 + 1, dtype=torch.complex128)
    for grid in grids:
        spectrum *= torch.fft.rfft(grid, padded)
    # What is rounding of the transform is left out.
    product: Tensor = torch.fft.irfft(spectrum, padded)[:size] - 1e-14
    return product.clamp(min=0)


def _quantile(probability: float) -> float:
    return float(torch.special.ndtri(torch.tensor(probability, dtype=torch.float64)))


def _crossing(falling: Callable[[float], float], height: float, low: float, high: float) -> float:
    """Where a falling function comes down to a height, from above."""
    for _ in range(45):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > height else (low, middle)
    return low
