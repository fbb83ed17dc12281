"""Silent faults planted one at a time into a loop that is otherwise right (letters as in the issue tracker
of the measurements: a unwrapped loss ... y class weights), and the rule each must be named by.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from dpmigrate.runtime.report_types import ClippingReport
from tests.opacus_releases import KNOWN
from tests.runtime import models as m
from tests.runtime.faulty_loops import (
    MeanFocal,
    cleared_before_step,
    clipped_again,
    column_losses,
    flattened_step,
    hooks_left_off,
    judge,
    language_model,
    matrix_losses,
    mismatched_reduction,
    own_criterion,
    penalty_step,
    raw_optimizer,
    rescaled,
    right_step,
    scheduled_bound,
    two_backwards,
    unfrozen_later,
    unwrapped_loss,
)

ALL = frozenset(KNOWN)
BEFORE_153 = frozenset(KNOWN[:3])
SINCE_153 = ALL - BEFORE_153
BEFORE_154 = frozenset(KNOWN[:4])
ONLY_160 = frozenset({"1.6.0"})
MIDDLE = frozenset({"1.5.3", "1.5.4"})


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
