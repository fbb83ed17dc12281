"""A run that never comes about, or whose noise may come from elsewhere, makes no finding definite."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api

PROGRAM = """\
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from opacus import PrivacyEngine


class Correlated(torch.optim.SGD):
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p.grad += self.draw(p)
        return super().step(closure)


def data():
    return TensorDataset(torch.randn(64, 8), torch.randint(0, 2, (64,)))


net = nn.Sequential({layers})
engine = PrivacyEngine()
net, optimizer, loader = engine.make_private(
    module=net,
    optimizer={optimizer},
    data_loader=DataLoader(data(), batch_size=8),
    noise_multiplier={noise},
    max_grad_norm=1.0,
    poisson_sampling=False,
)
for x, y in loader:
    optimizer.zero_grad()
    nn.functional.cross_entropy(net(x), y).backward()
    optimizer.step()
print(engine.get_epsilon(1e-5))
"""
IN_PLACE = "nn.Linear(8, 2), nn.ReLU(inplace=True)"
PLAIN, NORMED = "nn.Linear(8, 2)", "nn.Linear(8, 2), nn.BatchNorm1d(2)"
SGD, OWN = "torch.optim.SGD(net.parameters(), lr=0.1)", "Correlated(net.parameters(), lr=0.1)"


@pytest.mark.parametrize(
    ("rule", "layers", "optimizer", "noise", "opacus", "certainty"),
    [
        ("DPM308", PLAIN, SGD, "1.0", "", "definite"),
        ("DPM308", PLAIN, "None", "1.0", "", "possible"),
        ("DPM308", NORMED, SGD, "1.0", "", "possible"),
        ("DPM308", IN_PLACE, SGD, "1.0", "<1.5.4", "definite"),
        ("DPM308", IN_PLACE, SGD, "1.0", "", "possible"),
        ("DPM414", IN_PLACE, SGD, "1.0", ">=1.5.4", "definite"),
        ("DPM208", PLAIN, SGD, "0.0", "", "definite"),
        ("DPM208", PLAIN, OWN, "0.0", "", "possible"),
    ],
)
def test_certainty(
    tmp_path: Path, rule: str, layers: str, optimizer: str, noise: str, opacus: str, certainty: str
) -> None:
    text = PROGRAM.format(layers=layers, optimizer=optimizer, noise=noise)
    (tmp_path / "train.py").write_text(text, encoding="utf-8")
    findings = api.scan(["."], cwd=tmp_path, select=[rule], opacus=opacus or None).findings
    assert [f.certainty for f in findings] == [certainty]


FIXED = """\
import sys
import torch
from torch import nn
from opacus import PrivacyEngine
from opacus.validators import ModuleValidator
from torch.utils.data import DataLoader, TensorDataset

loader = DataLoader(TensorDataset(torch.randn(64, 8), torch.randint(0, 2, (64,))), batch_size=8)
for seed in range(3):
    net = nn.Sequential(nn.Linear(8, 2))
    {before}
    {after}
    private, optimizer, batches = PrivacyEngine().make_private(
        module=net, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0)
    for x, y in loader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(private(x), y).backward()
        optimizer.step()
"""
_SGD = "optimizer = torch.optim.SGD(net.parameters(), lr=0.1)"
_FIX = "net = ModuleValidator.fix(net)"


@pytest.mark.parametrize(
    ("before", "after", "certainty"),
    [
        (_SGD, "pass", "definite"),
        (_FIX, _SGD, "definite"),
        (_SGD, _FIX, "possible"),
        (_SGD, f"if not ModuleValidator.is_valid(net): {_FIX}", "possible"),
        (_SGD, f"{_FIX}; {_SGD}", "definite"),
        (_SGD, "other = ModuleValidator.fix(nn.Linear(8, 2))", "definite"),
    ],
)
def test_an_optimizer_that_is_older_than_the_copy_of_its_model(
    tmp_path: Path, before: str, after: str, certainty: str
) -> None:
    """make_private compares their parameters and raises: nothing is trained without privacy then."""
    (tmp_path / "train.py").write_text(FIXED.format(before=before, after=after), encoding="utf-8")
    findings = api.scan(["."], cwd=tmp_path, select=["DPM301"]).findings
    assert [f.certainty for f in findings] == [certainty]
