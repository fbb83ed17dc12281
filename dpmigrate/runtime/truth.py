"""The truth about one batch: every example's gradient, kept or recomputed, and the bound to test at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dpmigrate.runtime.batches import batch_size, inputs_and_target, split_batch
from dpmigrate.runtime.model_copy import copy_criterion
from dpmigrate.runtime.oracle import (
    LossFunction,
    clipping_factor,
    each_gradient,
    gradients,
    loss_per_example,
    trainable,
)

KEEP_AT_MOST = 2**27
"""Gradients are kept while examples times parameters stay below this (512 MB in float32)."""


class Truth:
    """Per-example gradients of a batch by plain autograd, with their norms (float64)."""

    def __init__(
        self,
        model: nn.Module,
        criterion: Callable[..., Tensor] | None,
        batch: Any,
        *,
        loss: LossFunction | None = None,
        loss_reduction: str = "mean",
    ) -> None:
        """Runs the oracle once. Raises what the model, the loss or the batch raise."""
        self.model = model
        self.batch = batch
        self.size = batch_size(batch)
        self._criterion = criterion
        self._loss = loss
        self._reduction = loss_reduction
        self.params = trainable(model)
        if not self.params:
            raise ValueError("the model has no trainable parameter")
        self.lengths = {name: p.numel() for name, p in self.params.items()}
        self.width = sum(self.lengths.values())
        self._kept: list[Tensor] | None = [] if self.size * self.width <= KEEP_AT_MOST else None
        self._sums: dict[tuple[float, tuple[int, ...]], Tensor] = {}
        dtype = next(iter(self.params.values())).dtype
        per_parameter = []
        for row in self._compute():
            per_parameter.append(
                torch.stack([part.norm() for part in torch.split(row, list(self.lengths.values()))])
            )
            if self._kept is not None:
                self._kept.append(row.to(dtype))
        table = torch.stack(per_parameter) if per_parameter else torch.zeros(0, len(self.lengths))
        self.norms: Tensor = table.double().norm(dim=1)
        self.parameter_norms = dict(zip(self.lengths, table.unbind(dim=1), strict=True))

    def _compute(self) -> Iterator[Tensor]:
        return each_gradient(
            self.model,
            self._criterion,
            self.batch,
            list(self.params.values()),
            loss=self._loss,
            loss_reduction=self._reduction,
        )

    def chosen_rows(self, indices: Sequence[int]) -> Tensor:
        """The gradients of some examples in the model's dtype, ``[n, P]``."""
        wanted = set(indices)
        dtype = next(iter(self.params.values())).dtype
        return torch.stack([row.to(dtype) for i, row in enumerate(self.rows()) if i in wanted])

    def rows(self) -> Iterator[Tensor]:
        """Each example's gradient, ``[P]`` float64, in batch order."""
        if self._kept is None:
            yield from self._compute()
        else:
            for row in self._kept:
                yield row.double()

    def clipped_sum(self, max_grad_norm: float, indices: Sequence[int] | None = None) -> Tensor:
        """The clipped sum over ``indices`` (all when None), ``[P]`` float64."""
        members = tuple(range(self.size) if indices is None else indices)
        known = self._sums.get((max_grad_norm, members))
        if known is None:
            chosen = torch.zeros_like(self.norms)
            chosen[list(members)] = 1.0
            factors = clipping_factor(self.norms, max_grad_norm) * chosen
            known = torch.zeros(self.width, dtype=torch.float64)
            for factor, row in zip(factors.tolist(), self.rows(), strict=True):
                if factor:
                    known += row * factor
            self._sums[max_grad_norm, members] = known
        return known

    def by_name(self, flat: Tensor) -> dict[str, Tensor]:
        """A flat vector ``[P]`` by parameter name."""
        parts = torch.split(flat, list(self.lengths.values()))
        return {
            name: part.view(self.params[name].shape) for name, part in zip(self.lengths, parts, strict=True)
        }

    def nonfinite_examples(self) -> list[int]:
        """Examples whose gradient holds NaN or infinity."""
        return [i for i, norm in enumerate(self.norms.tolist()) if norm != norm or norm in (float("inf"),)]

    def rounding(self) -> float:
        """Relative L2 distance of the examples' gradients, added up, from the batch's own gradient.

        Zero where the loss of the whole batch does not come as one value per example.
        """
        evaluate = self._loss
        if evaluate is None:
            evaluate = loss_per_example(self._criterion, self._reduction)
        with torch.enable_grad():
            losses = evaluate(self.model, self.batch)
            if losses.dim() != 1 or losses.shape[0] != self.size:
                return 0.0
            found = gradients(losses.sum(), list(self.params.values()), keep=False)
        whole = torch.cat([g.reshape(-1).double() for g in found])
        added = torch.zeros_like(whole)
        for row in self.rows():
            added += row
        return float((added - whole).norm() / whole.norm().clamp_min(1e-300))

    def mixing_error(self) -> float | None:
        """How much an example's loss changes with the company it keeps, relative to the largest loss.

        None where the loss of the whole batch does not come as one value per example.
        """
        evaluate = self._loss
        if evaluate is None:
            evaluate = loss_per_example(self._criterion, self._reduction)
        with torch.no_grad():
            together = evaluate(self.model, self.batch).detach().double()
            if together.dim() != 1 or together.shape[0] != self.size:
                return None
            alone = torch.stack(
                [evaluate(self.model, example).detach().double().sum() for example in split_batch(self.batch)]
            )
        return float((together - alone).abs().max() / alone.abs().max().clamp_min(1e-30))


def mean_gap(model: nn.Module, criterion: Callable[..., Tensor] | None, batch: Any) -> float:
    """How far the criterion's own mean over the batch is from the mean of the per-example losses.

    Relative. Above rounding with class weights (the criterion divides by their sum) or ignored
    targets (it divides by the others' number).
    """
    with torch.no_grad():
        mean = loss_per_example(criterion)(model, batch).double().mean()
        inputs, target = inputs_and_target(batch)
        whole = copy_criterion(criterion, "mean")(model(*inputs), target).double().mean()
    return float((whole - mean).abs() / mean.abs().clamp_min(1e-30))


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
