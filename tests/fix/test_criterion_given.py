"""A criterion is given to make_private, and the losses are made by another one."""

from __future__ import annotations

import pytest

from tests.fix.upgrading import Make


@pytest.mark.parametrize(
    ("given", "own", "back", "fixed"),
    [
        ("criterion=nn.CrossEntropyLoss(),", "", "", True),
        ("criterion=nn.CrossEntropyLoss(),", 'reduction="none"', ".mean()", True),
        ("criterion=nn.CrossEntropyLoss(label_smoothing=0.1),", "", "", False),
        ("criterion=nn.CrossEntropyLoss(),", 'reduction="sum"', "", False),
        ("criterion=nn.MSELoss(),", "", "", False),
    ],
)
def test_the_returned_criterion_takes_the_place_of_one_that_computes_the_same(
    folder: Make, given: str, own: str, back: str, fixed: bool
) -> None:
    text = f"""\
import torch
from opacus import PrivacyEngine
from torch import nn


def train(model, optimizer, loader):
    torch.manual_seed(1)
    loss_fn = nn.CrossEntropyLoss({own})
    model, optimizer, criterion, loader = PrivacyEngine().make_private(
        module=model, optimizer=optimizer, data_loader=loader, {given} noise_multiplier=1.0,
        max_grad_norm=1.0, grad_sample_mode="ghost",
    )
    for x, y in loader:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y){back}
        loss.backward()
        optimizer.step()
"""
    result = folder({"train.py": text, "requirements.txt": "opacus==1.6.0\n"}).fix()
    assert result.applied == (("train.py",) if fixed else ())
    assert bool(result.refused) is not fixed
