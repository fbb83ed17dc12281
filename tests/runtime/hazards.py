"""Silent faults planted one at a time into a loop that is otherwise right (letters as in the issue tracker
of the measurements: a unwrapped loss ... y class weights), and the rule each must be named by.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dpmigrate.runtime.parity import check_clipping
from dpmigrate.runtime.report_types import ClippingReport
from dpmigrate.runtime.session import ghost_backward
from tests.opacus_releases import KNOWN
from tests.runtime import models as m

ALL = frozenset(KNOWN)
BEFORE_153 = frozenset(KNOWN[:3])
SINCE_153 = ALL - BEFORE_153
BEFORE_154 = frozenset(KNOWN[:4])
ONLY_160 = frozenset({"1.6.0"})
MIDDLE = frozenset({"1.5.3", "1.5.4"})

QUICK = ["parity-clipped-sum", "parity-norms", "sensitivity", "private-step"]


@dataclass(frozen=True)
class Hazard:
    """A fault, the releases on which nothing raises, and how it must be named there.

    ``rule`` None means that no advisory covers it; then ``says`` must stand in the detail of a failing
    check. Elsewhere the loop is loud: the outcome must be "unsupported", never a pass.
    """

    letter: str
    name: str
    run: Callable[[], ClippingReport]
    silent: frozenset[str]
    rule: str | None = None
    says: str = ""
    right_elsewhere: bool = False


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


HAZARDS: tuple[Hazard, ...] = (
    Hazard("a", "F.cross_entropy(...).backward()", lambda: judge(unwrapped_loss), ALL, "DPM103"),
    Hazard("a'", "own criterion instead of the returned one", own_criterion, ALL, "DPM103"),
    Hazard("b1", "MSELoss of shape (B, 1)", lambda: column_losses(nn.MSELoss()), ALL, "DPM105"),
    Hazard("b1", "BCE of shape (B, 1)", lambda: column_losses(nn.BCEWithLogitsLoss()), ALL, "DPM105"),
    Hazard("b2", "MSELoss of shape (B, B)", matrix_losses, BEFORE_153, "DPM105"),
    Hazard(
        "b3",
        "criterion=F.cross_entropy",
        lambda: judge(criterion=nn.functional.cross_entropy),
        BEFORE_153 | ONLY_160,
        "DPM104",
    ),
    Hazard(
        "b3",
        "criterion=lambda",
        lambda: judge(criterion=lambda o, t: nn.functional.cross_entropy(o, t)),
        BEFORE_153 | ONLY_160,
        "DPM104",
    ),
    Hazard(
        "b3",
        "criterion=partial(F.cross_entropy)",
        lambda: judge(criterion=functools.partial(nn.functional.cross_entropy)),
        BEFORE_153 | ONLY_160,
        "DPM104",
    ),
    Hazard(
        "b3",
        "Module returning a mean",
        lambda: judge(criterion=MeanFocal(None)),
        BEFORE_153 | ONLY_160,
        "DPM104",
    ),
    Hazard("b3", "Module ignoring its reduction", lambda: judge(criterion=MeanFocal("mean")), ALL, "DPM104"),
    Hazard("d", "two backwards, one step", lambda: judge(two_backwards), ALL, "DPM106"),
    Hazard(
        "e",
        "zero_grad() between backward and step",
        lambda: judge(cleared_before_step),
        ALL,
        "DPM108",
    ),
    Hazard("f2", "loss + penalty(parameters)", lambda: judge(penalty_step), BEFORE_153 | ONLY_160, "DPM107"),
    Hazard(
        "g",
        "ignore_index, flattened",
        lambda: language_model(flattened_step),
        MIDDLE,
        "DPM110",
        right_elsewhere=True,
    ),
    Hazard(
        "g",
        "ignore_index, target by keyword",
        lambda: language_model(functools.partial(flattened_step, how="keyword")),
        SINCE_153,
        "DPM110",
    ),
    Hazard(
        "g'",
        "flattened language model without shape=, one sequence at a time",
        lambda: language_model(
            functools.partial(flattened_step, how="shapeless"), padded=False, physical_batches=(6,)
        ),
        SINCE_153,
        "DPM111",
        says="scaled by 8",
    ),
    Hazard(
        "h",
        "Linear bias on 3-d activations",
        lambda: judge(kind=m.Text),
        BEFORE_154,
        "DPM112",
        says="hidden.bias",
        right_elsewhere=True,
    ),
    Hazard(
        "h",
        "only biases train, 3-d activations",
        lambda: judge(kind=m.BiasOnlyText),
        BEFORE_154,
        "DPM112",
        says="hidden.bias",
        right_elsewhere=True,
    ),
    Hazard(
        "i",
        "engine ignores max_grad_norm",
        lambda: judge(max_grad_norm=0.3),
        BEFORE_153,
        "DPM102",
        right_elsewhere=True,
    ),
    Hazard(
        "j1",
        "ghost adaptive clipping",
        lambda: judge(built_by="adaptive"),
        ONLY_160,
        "DPM113",
        right_elsewhere=True,
    ),
    Hazard("k", "clip_grad_norm_ before step", lambda: judge(clipped_again), ALL, "DPM109"),
    Hazard("k'", "p.grad scaled before step", lambda: judge(rescaled), ALL, "DPM109"),
    Hazard(
        "n",
        "first pass takes a mean, loss_reduction is sum",
        lambda: judge(
            mismatched_reduction,
            loss_reduction="sum",
            loss=lambda model, b: nn.functional.cross_entropy(model(b[0]), b[1], reduction="none"),
            criterion=nn.CrossEntropyLoss(reduction="sum"),
        ),
        ALL,
        "DPM115",
    ),
    Hazard(
        "s",
        "optimizer.max_grad_norm follows a schedule",
        lambda: judge(scheduled_bound),
        ALL,
        "DPM116",
    ),
    Hazard(
        "t",
        "weight used outside its module",
        lambda: judge(kind=m.FunctionallyTied),
        ALL,
        "DPM117",
        says="embed.weight",
    ),
    Hazard(
        "u",
        "enable_hooks() forgotten",
        lambda: judge(hooks_left_off, physical_batches=(4,)),
        ALL,
        "DPM118",
    ),
    Hazard(
        "w",
        "layer unfrozen after make_private",
        lambda: judge(unfrozen_later, m.FrozenMlp),
        ALL,
        "DPM119",
        says="l1.weight",
    ),
    Hazard("x", "the raw torch optimizer is stepped", lambda: judge(raw_optimizer), ALL, "DPM120"),
    Hazard(
        "101",
        "memory manager, zero_grad()",
        lambda: judge(zero_grad="default", physical_batches=(1, 4)),
        BEFORE_153,
        "DPM101",
        right_elsewhere=True,
    ),
    Hazard(
        "101",
        "memory manager, no zero_grad",
        lambda: judge(zero_grad=None, physical_batches=(1, 4)),
        BEFORE_153,
        "DPM101",
        right_elsewhere=True,
    ),
)

TWINS: tuple[Hazard, ...] = (
    Hazard(
        "0",
        "right loop",
        lambda: judge(right_step, physical_batches=(1, 4)),
        frozenset(),
        right_elsewhere=True,
    ),
    Hazard(
        "0",
        "right loop, hand-made pair",
        lambda: judge(built_by="pair", physical_batches=(1, 4)),
        frozenset(),
        right_elsewhere=True,
    ),
    Hazard(
        "0",
        "right loop, loss function",
        lambda: judge(
            loss=lambda model, b: nn.functional.cross_entropy(model(b[0]), b[1], reduction="none"),
            criterion=None,
            physical_batches=(1, 4),
        ),
        frozenset(),
        right_elsewhere=True,
    ),
    Hazard(
        "0",
        "right loop, loss_reduction sum",
        lambda: judge(
            criterion=nn.CrossEntropyLoss(reduction="sum"), loss_reduction="sum", physical_batches=(1, 4)
        ),
        frozenset(),
        right_elsewhere=True,
    ),
    Hazard(
        "0",
        "squeezed MSE",
        lambda: judge(
            model=nn.Sequential(m.build(functools.partial(m.Mlp, 1)), nn.Flatten(0)),
            criterion=nn.MSELoss(),
            batch=(lambda x, y: (x, (y % 2).float()))(*m.batch_for(m.Mlp, size=12)),
            physical_batches=(1, 4),
        ),
        frozenset(),
        right_elsewhere=True,
    ),
    Hazard(
        "y",
        "class weights",
        lambda: judge(
            criterion=nn.CrossEntropyLoss(weight=torch.tensor([1.0, 5.0, 0.2, 3.0])), physical_batches=(1, 4)
        ),
        frozenset(),
        right_elsewhere=True,
    ),
    Hazard(
        "0",
        "noise",
        lambda: judge(checks=["noise-std", "noise-fresh", "reproducible"]),
        frozenset(),
        right_elsewhere=True,
    ),
)
