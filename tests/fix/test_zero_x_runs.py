"""Programs of Opacus 0.x on the release that they are for, and after the move on today's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.fix.conftest import Folder
from tests.opacus_releases import run_python

FULL_BATCHES = """\
import torch
from opacus import PrivacyEngine
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(64, 6)
y = (x.sum(dim=1) > 0).long()
loader = DataLoader(TensorDataset(x, y), batch_size=64)
model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
engine = PrivacyEngine(model, sample_rate=1.0, alphas=[2, 4], noise_multiplier=0.0, max_grad_norm=0.3)
engine.attach(optimizer)
for _ in range(4):
    for inputs, targets in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.step()
    print(loss.item())
"""
EPSILON = FULL_BATCHES.replace("noise_multiplier=0.0", "noise_multiplier=1.5").replace(
    "    print(loss.item())\n", ""
) + (
    "print(*engine.get_privacy_spent(1e-5))\nprint(engine.steps)\nengine.detach()\n"
    "print(len(list(model.parameters())), type(optimizer).__name__)\n"
)

SHAPES = FULL_BATCHES.replace("        optimizer.zero_grad()\n", "")
"""Nothing clears the gradients: 0.x took each sum anew."""
CHOSEN = (
    SHAPES.replace("optimizer = torch.optim.SGD(model.parameters(), lr=0.5)\n", "")
    .replace(
        "engine = ",
        "if len(x) > 9:\n    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)\nelse:\n"
        "    optimizer = torch.optim.Adam(model.parameters())\nengine = ",
    )
    .replace("engine.attach(optimizer)\n", "engine.to('cpu')\nengine.attach(optimizer)\nengine.steps = 5\n")
)
"""The optimizer is chosen, and steps of an earlier run are told."""

SENT = (
    SHAPES + "plain = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 2))\n"
    "plain.load_state_dict(model.state_dict())\n"
    "print(*[float(p.norm()) for _, p in sorted(plain.named_parameters())])\n"
).replace("    print(loss.item())\n", "")
"""The weights are loaded into a plain model."""


def printed(version: str, folder: Path) -> list[float]:
    """The numbers that the program prints on a release."""
    done = run_python(version, "train.py", cwd=folder)
    assert done.returncode == 0, done.stderr
    return [float(number) for number in re.findall(r"[0-9]+\.?[0-9]*(?:e-?[0-9]+)?", done.stdout)]


@pytest.mark.opacus
@pytest.mark.parametrize(
    "text",
    [FULL_BATCHES, EPSILON, SHAPES, CHOSEN, SENT],
    ids=["losses", "epsilon", "uncleared", "chosen", "sent"],
)
def test_it_prints_the_same(text: str, tmp_path: Path) -> None:
    project = Folder(tmp_path).write({"train.py": text, "requirements.txt": "opacus==0.15.0\n"})
    before = printed("0.15.0", tmp_path)
    assert len(before) == 4
    assert project.fix(unsafe=True).refused == ()
    for version in ("1.5.4", "1.6.0"):
        assert printed(version, tmp_path) == pytest.approx(before, rel=1e-5)
