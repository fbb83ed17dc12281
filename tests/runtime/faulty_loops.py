"""Loops of ghost clipping, right ones and such with one fault each, judged by ``check_clipping``."""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor, nn

from dpmigrate.runtime.parity import check_clipping
from dpmigrate.runtime.report_types import ClippingReport
from dpmigrate.runtime.session import ghost_backward
from tests.runtime import models as m

QUICK = ["parity-clipped-sum", "parity-norms", "sensitivity", "private-step"]


def backward(model: Any, optimizer: Any, value: Any) -> None:
    """The backward of a loop that knows its release: wrapped losses do both passes, vectors need them."""
    if isinstance(value, Tensor) and value.requires_grad:
        ghost_backward(model, optimizer, value, "mean")
    else:
        value.backward()


def right_step(model: Any, optimizer: Any, criterion: Any, batch: Any) -> None:
    """The canonical loop body."""
    x, y = batch
    optimizer.zero_grad(set_to_none=True)
    backward(model, optimizer, criterion(model(x), y))
    optimizer.step()


def judge(step: Any = None, kind: type[nn.Module] = m.Mlp, **options: Any) -> ClippingReport:
    """``check_clipping`` in ghost mode on a fresh model; ``step`` is the loop body under test."""
    options.setdefault("criterion", nn.CrossEntropyLoss())
    options.setdefault("batch", m.batch_for(kind, size=12))
    options.setdefault("checks", QUICK)
    options.setdefault("zero_grad", "set-to-none")
    options.setdefault("physical_batches", (1,))
    model = options.pop("model", None) or m.build(kind)
    criterion, batch = options.pop("criterion"), options.pop("batch")
    return check_clipping(model, criterion, batch, modes=["ghost"], train_step=step, **options)


# the loss -------------------------------------------------------------------------------------------


def unwrapped_loss(model: Any, optimizer: Any, criterion: Any, batch: Any) -> None:
    optimizer.zero_grad(set_to_none=True)
    nn.functional.cross_entropy(model(batch[0]), batch[1]).backward()
    optimizer.step()


def own_criterion() -> ClippingReport:
    own = nn.CrossEntropyLoss()

    def step(model: Any, optimizer: Any, criterion: Any, batch: Any) -> None:
        optimizer.zero_grad(set_to_none=True)
        own(model(batch[0]), batch[1]).backward()
        optimizer.step()

    return judge(step, criterion=own)


def column_losses(criterion: nn.Module) -> ClippingReport:
    x, y = m.batch_for(m.Mlp, size=12)
    return judge(
        model=m.build(functools.partial(m.Mlp, 1)), criterion=criterion, batch=(x, (y % 2).float()[:, None])
    )


def matrix_losses() -> ClippingReport:
    """As many outputs as examples, so that the coefficients fit by accident."""
    x, _ = m.batch_for(m.Mlp, size=4)
    return judge(criterion=nn.MSELoss(), batch=(x, torch.eye(4)))


class MeanFocal(nn.Module):
    """A criterion that always returns the mean; ``reduction`` is there only to be ignored."""

    def __init__(self, reduction: str | None) -> None:
        super().__init__()
        if reduction is not None:
            self.reduction = reduction

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        losses = nn.functional.cross_entropy(output, target, reduction="none")
        return (losses * (1 - torch.exp(-losses)) ** 2).mean()


def penalty_step(model: Any, optimizer: Any, criterion: Any, batch: Any) -> None:
    optimizer.zero_grad(set_to_none=True)
    penalty = 0.5 * sum(p.pow(2).sum() for p in model.parameters())
    backward(model, optimizer, criterion(model(batch[0]), batch[1]) + penalty)
    optimizer.step()


def language_loss(model: nn.Module, batch: Any) -> Tensor:
    """Mean over the valid positions of each sequence."""
    x, y = batch
    losses = nn.functional.cross_entropy(model(x).transpose(1, 2), y, ignore_index=-100, reduction="none")
    return losses.sum(1) / (y != -100).sum(1)


def language_model(step: Any, size: int = 6, padded: bool = True, **options: Any) -> ClippingReport:
    g = torch.Generator().manual_seed(4)
    x = torch.randint(0, m.TOKENS, (size, 8), generator=g)
    y = torch.randint(0, m.TOKENS, (size, 8), generator=g)
    if padded:
        for i in range(size):
            y[i, 8 - i % 6 :] = -100
    return judge(
        step,
        m.LanguageModel,
        criterion=nn.CrossEntropyLoss(ignore_index=-100),
        batch=(x, y),
        loss=language_loss,
        **options,
    )


def flattened_step(model: Any, optimizer: Any, criterion: Any, batch: Any, how: str = "positional") -> None:
    optimizer.zero_grad(set_to_none=True)
    output = model(batch[0])
    flat, target = output.reshape(-1, output.shape[-1]), batch[1].reshape(-1)
    if how == "keyword":
        loss = criterion(flat, target=target, shape=output.shape)
    elif how == "shapeless":
        loss = criterion(flat, target)
    else:
        loss = criterion(flat, target, shape=output.shape)
    loss.backward()
    optimizer.step()


# the loop -------------------------------------------------------------------------------------------


def two_backwards(model: Any, optimizer: Any, criterion: Any, batch: Any) -> None:
    x, y = batch
    optimizer.zero_grad(set_to_none=True)
    half = len(x) // 2
    for part in (slice(0, half), slice(half, None)):
        backward(model, optimizer, criterion(model(x[part]), y[part]))
    optimizer.step()


def cleared_before_step(model: Any, optimizer: Any, criterion: Any, batch: Any) -> None:
    backward(model, optimizer, criterion(model(batch[0]), batch[1]))
    optimizer.zero_grad()
    optimizer.step()


def clipped_again(model: Any, optimizer: Any, criterion: Any, batch: Any) -> None:
    optimizer.zero_grad(set_to_none=True)
    backward(model, optimizer, criterion(model(batch[0]), batch[1]))
    torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
    optimizer.step()


def rescaled(model: Any, optimizer: Any, criterion: Any, batch: Any) -> None:
    optimizer.zero_grad(set_to_none=True)
    backward(model, optimizer, criterion(model(batch[0]), batch[1]))
    for p in optimizer.params:
        p.grad *= 3
    optimizer.step()


def mismatched_reduction(model: Any, optimizer: Any, criterion: Any, batch: Any) -> None:
    """The module undoes no mean (loss_reduction is sum), but the first pass takes one."""
    optimizer.zero_grad(set_to_none=True)
    losses = nn.functional.cross_entropy(model(batch[0]), batch[1], reduction="none")
    losses.mean().backward(retain_graph=True)
    optimizer.zero_grad()
    factor = model.get_coeff() if hasattr(model, "get_coeff") else model.get_clipping_coef()
    model.disable_hooks()
    (factor * losses).sum().backward()
    model.enable_hooks()
    optimizer.step()


def hooks_left_off(model: Any, optimizer: Any, criterion: Any, batch: Any) -> None:
    """Two passes by hand that never enable the hooks again: later batches are clipped by old norms."""
    losses = nn.functional.cross_entropy(model(batch[0]), batch[1], reduction="none")
    losses.mean().backward(retain_graph=True)
    optimizer.zero_grad(set_to_none=True)
    factor = model.get_coeff() if hasattr(model, "get_coeff") else model.get_clipping_coef()
    model.disable_hooks()
    (factor * losses).sum().backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def scheduled_bound(model: Any, optimizer: Any, criterion: Any, batch: Any) -> None:
    """What a gradient clip scheduler does: the noise follows, the model clips at the old bound."""
    right_step(model, optimizer, criterion, batch)
    optimizer.max_grad_norm *= 0.5


def unfrozen_later(model: Any, optimizer: Any, criterion: Any, batch: Any) -> None:
    for p in model.parameters():
        p.requires_grad_(True)
        if not hasattr(p, "summed_grad"):
            p.summed_grad = None
    right_step(model, optimizer, criterion, batch)


def raw_optimizer(model: Any, optimizer: Any, criterion: Any, batch: Any) -> None:
    optimizer.zero_grad(set_to_none=True)
    backward(model, optimizer, criterion(model(batch[0]), batch[1]))
    optimizer.original_optimizer.step()
