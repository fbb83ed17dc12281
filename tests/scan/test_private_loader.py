"""Another loader than the private one, read by next() beside the loop that trains, and in it (DPM301)."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate.api import scan

TEXT = """\
import torch
from opacus import PrivacyEngine
from torch import nn
from torch.utils.data import DataLoader


def data(size):
    return DataLoader(torch.utils.data.TensorDataset(torch.ones(8, 2), torch.ones(8)), batch_size=size)


net = nn.Linear(2, 1)
opt = torch.optim.SGD(net.parameters(), lr=0.1)
other = data(8)
net, opt, loader = PrivacyEngine().make_private(
    module=net, optimizer=opt, data_loader=data(4), noise_multiplier=1.0, max_grad_norm=1.0
)
for epoch in range(2):
    {first}
    for {private} in {over}:
        {inside}opt.zero_grad()
        nn.functional.mse_loss(net(x).squeeze(-1), y).backward()
        opt.step()
    {last}
"""
EVALUATION = "x, y = next(iter(data(8)))\n    print(net(x))"


def reported(tmp_path: Path, **parts: str) -> list[str]:
    given = {"first": "pass", "last": "pass", "private": "x, y", "over": "loader", "inside": "", **parts}
    (tmp_path / "train.py").write_text(TEXT.format(**given))
    return [f"{f.rule} {f.certainty}" for f in scan(["."], cwd=tmp_path).findings if f.rule == "DPM301"]


@pytest.mark.parametrize(
    "parts",
    [
        {"last": EVALUATION},
        {"first": EVALUATION},
        {"last": "with torch.no_grad():\n        x, y = next(iter(data(8)))"},
    ],
)
def test_a_look_at_other_batches_beside_the_private_loop_is_no_training(
    tmp_path: Path, parts: dict[str, str]
) -> None:
    assert reported(tmp_path, **parts) == []


@pytest.mark.parametrize(
    "parts",
    [
        {"first": "x, y = next(iter(data(4)))", "private": "_", "over": "range(3)"},
        {"private": "_", "over": "range(3)", "inside": "x, y = next(iter(data(4)))\n        "},
        {"private": "_", "inside": "x, y = next(iter(data(4)))\n        "},
    ],
)
def test_what_feeds_the_backward_pass_is(tmp_path: Path, parts: dict[str, str]) -> None:
    assert reported(tmp_path, **parts) == ["DPM301 definite"]
