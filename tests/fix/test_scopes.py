"""Criteria of nested functions, of ``with`` statements, and made among the arguments of what trains."""

from __future__ import annotations

import pytest

from tests.fix.upgrading import NEW_CALL, OLD_CALL, Make, upgraded, withheld

OLD = {"none": 'reduction="none"', "third": "", "call": OLD_CALL, "given": ""}
NEW = {"none": "", "third": "criterion, ", "call": NEW_CALL, "given": ", criterion=criterion"}
OLD_STEP = "double_backward(model, optimizer, criterion(model(x), y))"
NEW_STEP = "criterion(model(x), y).backward()"

NESTED = """\
def main(model, optimizer, loader):
    torch.manual_seed(1)
    engine = PrivacyEngine()
    criterion = nn.CrossEntropyLoss({none})

    def go_private():
        nonlocal model, optimizer, loader{declared}
        model, optimizer, {third}loader = {call}

    def epoch():
        {own}for x, y in loader:
            optimizer.zero_grad()
            {step}
            optimizer.step()

    go_private()
    epoch()
"""


def test_what_is_set_around_a_nested_function_has_the_criterion_too(folder: Make) -> None:
    before = NESTED.format(**OLD, declared="", own="", step=OLD_STEP)
    after = NESTED.format(**NEW, declared=", criterion", own="", step=NEW_STEP)
    assert upgraded(folder, before) == after


def test_one_that_a_reader_binds_itself_is_left_alone(folder: Make) -> None:
    own = 'criterion = nn.CrossEntropyLoss(reduction="none")\n        '
    before = NESTED.format(**OLD | {"none": ""}, declared="", own=own, step=OLD_STEP)
    withheld(folder, before)


ENTERED = """\
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def private(engine, model, optimizer, loader{parameter}){returns}:
    model, optimizer, {third}loader = {call}
    yield model, optimizer, {third}loader


def main(model, optimizer, loader):
    torch.manual_seed(1)
    criterion = nn.CrossEntropyLoss({none})
    with private(PrivacyEngine(), model, optimizer, loader{given}) as (model, optimizer, {third}loader):
        for x, y in loader:
            optimizer.zero_grad()
            {step}
            optimizer.step()
"""


@pytest.mark.parametrize(
    ("returns", "lengthened"),
    [
        ("", ""),
        (" -> Iterator[tuple]", " -> Iterator[tuple]"),
        (
            " -> Iterator[tuple[Module, Optimizer, DataLoader]]",
            " -> Iterator[tuple[Module, Optimizer, DPLossFastGradientClipping, DataLoader]]",
        ),
    ],
)
def test_what_a_context_manager_yields_has_the_criterion_too(
    folder: Make, returns: str, lengthened: str
) -> None:
    before = ENTERED.format(**OLD, parameter="", returns=returns, step=OLD_STEP)
    after = ENTERED.format(**NEW, parameter=", criterion", returns=lengthened, step=NEW_STEP)
    assert upgraded(folder, before).endswith(after)


AWAITED = """\
async def prepare(engine, model, optimizer, loader{parameter}):
    model, optimizer, {third}loader = {call}
    return model, optimizer, {third}loader


async def main(model, optimizer, loader):
    torch.manual_seed(1)
    criterion = nn.CrossEntropyLoss({none})
    model, optimizer, {third}loader = await prepare(PrivacyEngine(), model, optimizer, loader{given})
    for x, y in loader:
        optimizer.zero_grad()
        {step}
        optimizer.step()
"""


def test_what_is_awaited_has_the_criterion_too(folder: Make) -> None:
    before = AWAITED.format(**OLD, parameter="", step=OLD_STEP)
    assert upgraded(folder, before) == AWAITED.format(**NEW, parameter=", criterion", step=NEW_STEP)


AMONG_ARGUMENTS = """\
class Focal(nn.Module):
    def __init__(self, gamma=2.0, reduction="mean"):
        super().__init__()
        self.gamma, self.reduction = gamma, reduction

    def forward(self, logits, target):
        losses = F.cross_entropy(logits, target, reduction="none")
        losses = (1 - torch.exp(-losses)) ** self.gamma * losses
        return losses if self.reduction == "none" else losses.mean()


def fit(engine, model, optimizer, loader, criterion):
    model, optimizer, {third}loader = {call}
    for x, y in loader:
        optimizer.zero_grad()
        {step}
        optimizer.step()


def main(model, optimizer, loader):
    torch.manual_seed(1)
    fit(PrivacyEngine(), model, optimizer, loader, {made})
"""


@pytest.mark.parametrize(
    ("made", "lifted"),
    [
        ('Focal(1.0, "none")', 'Focal(1.0, "mean")'),
        ('Focal(reduction="none")', "Focal()"),
        ('nn.CrossEntropyLoss(reduction="none")', "nn.CrossEntropyLoss()"),
    ],
)
def test_one_among_the_arguments_of_what_trains_is_lifted_there(folder: Make, made: str, lifted: str) -> None:
    before = AMONG_ARGUMENTS.format(**OLD, step=OLD_STEP, made=made)
    assert upgraded(folder, before) == AMONG_ARGUMENTS.format(**NEW, step=NEW_STEP, made=lifted)
