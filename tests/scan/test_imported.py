"""An import that only some releases can do tells which ones the code is for."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api

PROGRAM = """
from torch import nn, optim
from elsewhere import loader, net
from opacus import PrivacyEngine
{}

net, optimizer, criterion, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=optim.SGD(net.parameters(), lr=0.1),
    criterion=nn.CrossEntropyLoss(ignore_index=-100),
    data_loader=loader,
    noise_multiplier=1.0,
    max_grad_norm=1.0,
    grad_sample_mode="ghost",
)
for x, y in loader:
    optimizer.zero_grad()
    scores = net(x)
    criterion(scores.view(-1, 8), y.view(-1), shape=scores.shape).backward()
    optimizer.step()
"""
NEW = "from opacus.grad_sample import GradSampleHooksFastGradientClipping"


@pytest.mark.parametrize(
    ("imported", "found"),
    [
        (NEW, False),
        ("from opacus.grad_sample import GradSampleModule", True),
        ("from opacus.utils.fast_gradient_clipping_utils import DPLossFastGradientClipping", True),
        (f"try:\n    {NEW}\nexcept ImportError:\n    pass", True),
        ("from mine.grad_sample import GradSampleHooksFastGradientClipping", True),
    ],
)
def test_ignored_tokens_are_wrong_on_releases_that_can_import_it(
    tmp_path: Path, imported: str, found: bool
) -> None:
    """DPM110 is about 1.5.3 and 1.5.4, where the target is given by position."""
    (tmp_path / "train.py").write_text(PROGRAM.format(imported))
    assert ("DPM110" in {f.rule for f in api.scan([tmp_path]).findings}) is found
