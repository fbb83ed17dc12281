"""Empirical sensitivity: how far one example can move the value that receives the noise.

The guarantee of DP-SGD rests on this being at most C when an example is left out, and at most 2C when
it is replaced. Both are measured through the real loop with its physical batches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dpmigrate.runtime.batches import batch_size, map_tensors, take
from dpmigrate.runtime.session import Session

SLACK = 1e-4
"""Rounding allowed above the bound, relative to it."""

ALL_UP_TO = 64
"""Every example is left out in turn in batches up to this size; beyond it, this many are."""

REPLACED = 8
INPUT_FACTOR = 50.0


@dataclass(frozen=True)
class Sensitivity:
    """The largest move seen (L2 norm), the example that made it, and how many examples were tried."""

    value: float
    example: int | None
    tried: int


def removed_one(
    session: Session,
    batch: Any,
    base: Tensor,
    names: Sequence[str],
    max_physical: int | None,
    *,
    chosen: Sequence[int],
) -> Sensitivity:
    """Leave out each of the chosen examples in turn; ``base`` is the sum of the whole batch.

    ``value`` is the plain L2 norm of the largest move; the caller divides by C.
    """
    count = batch_size(batch)
    if count < 2:
        return Sensitivity(float(base.norm()), 0, 1)
    moves = {}
    for i in chosen:
        rest = take(batch, [j for j in range(count) if j != i])
        moves[i] = float((base - flat_sum(session, rest, names, max_physical)).norm())
    return _largest(moves)


def replaced_one(
    session: Session,
    batch: Any,
    base: Tensor,
    names: Sequence[str],
    max_physical: int | None,
    *,
    chosen: Sequence[int],
) -> Sensitivity:
    """Replace each chosen example by others that raise its norm (see :func:`_replacements`)."""
    moves = {}
    for i in chosen:
        distances = [
            (base - flat_sum(session, changed, names, max_physical)).norm()
            for changed in _replacements(batch, i)
        ]
        finite = [float(d) for d in distances if bool(torch.isfinite(d))]
        if finite:
            moves[i] = max(finite)
    return _largest(moves)


def pick(norms: Tensor, most: int) -> list[int]:
    """Up to ``most`` examples: all, or those of the largest norms and as many evenly spaced ones."""
    count = int(norms.shape[0])
    if count <= most:
        return list(range(count))
    largest = norms.argsort(descending=True)[: most // 2].tolist()
    others = [i for i in range(count) if i not in set(largest)]
    step = len(others) / (most - len(largest))
    return sorted(largest + [others[int(k * step)] for k in range(most - len(largest))])


def flat_sum(session: Session, batch: Any, names: Sequence[str], max_physical: int | None) -> Tensor:
    """One logical step's value that receives the noise, ``[P]`` float64 in the order of ``names``.

    NaN throughout where the DP optimizer never stepped.
    """
    return flatten(session, session.run(batch, max_physical).clipped_sum, names)


def flatten(session: Session, by_name: dict[str, Tensor], names: Sequence[str]) -> Tensor:
    """Values by parameter name as one vector; zeros where a parameter has none, NaN where none has any."""
    fill = 0.0 if by_name else float("nan")
    parts = [
        by_name[name].reshape(-1)
        if name in by_name
        else torch.full((session.start[name].numel(),), fill, dtype=torch.float64)
        for name in names
    ]
    return torch.cat(parts)


def _replacements(batch: Any, i: int) -> Iterator[Any]:
    """Example ``i`` with a stranger's tokens and target, once with its float inputs scaled up as well."""
    count = batch_size(batch)
    stranger = (i + max(1, count // 2)) % count

    def foreign(t: Tensor) -> Tensor:
        t = t.clone()
        t[i] = t[stranger]
        return t

    def scaled(t: Tensor) -> Tensor:
        t = t.clone()
        t[i] = t[i] * INPUT_FACTOR if t.is_floating_point() else t[stranger]
        return t

    def tokens(t: Tensor) -> Tensor:
        return t if t.is_floating_point() else foreign(t)

    for change in (scaled, tokens):
        if isinstance(batch, list | tuple):
            yield (*(map_tensors(part, change) for part in batch[:-1]), map_tensors(batch[-1], foreign))
        else:
            yield map_tensors(batch, change)


def _largest(moves: dict[int, float]) -> Sensitivity:
    if not moves:
        return Sensitivity(0.0, None, 0)
    # NaN must win: max() would let it pass or not depending on the order
    worst = max(moves, key=lambda i: float("inf") if moves[i] != moves[i] else moves[i])
    return Sensitivity(moves[worst], worst, len(moves))
