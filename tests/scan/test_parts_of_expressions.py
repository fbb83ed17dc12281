"""What stands in a part of an expression that a test decides may happen, as what stands in an ``if`` does."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api

PROGRAM = """
import torch
import torch.nn.functional as F
from given import is_wanted
from opacus import PrivacyEngine
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

net = nn.Sequential(nn.Linear(16, 8), nn.Linear(8, 4))
first, last = torch.optim.SGD(net[0].parameters(), lr=0.1), torch.optim.SGD(net[1].parameters(), lr=0.1)
records = TensorDataset(torch.randn(512, 16), torch.randint(0, 4, (512,)))
net, last, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=last,
    data_loader=DataLoader(records, batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
for x, y in loader:
    net.zero_grad()
    F.cross_entropy(net(x), y).backward()
    for each in (first, last):
        STEP
"""


@pytest.mark.parametrize(
    "step, certainties",
    [
        ("each.step()", ["definite"]),
        ("each.step() if is_wanted(each) else print(each)", ["possible"]),
        ("print(each) if is_wanted(each) else each.step()", ["possible"]),
        ("is_wanted(each) and each.step()", ["possible"]),
        ("is_wanted(each) or each.step()", ["possible"]),
        ("each.step() if each is last else print(each)", []),
        ("print(each) if each is first else each.step()", []),
        ("each is last and each.step()", []),
        ("each is first or each.step()", []),
        ("each is first and each.step()", ["definite"]),
    ],
)
def test_what_an_undecided_test_leads_to_is_possible(
    tmp_path: Path, step: str, certainties: list[str]
) -> None:
    (tmp_path / "train.py").write_text(PROGRAM.replace("STEP", step))
    second = api.scan([tmp_path], select=["DPM123"], cwd=tmp_path).findings
    assert [finding.certainty for finding in second] == certainties
