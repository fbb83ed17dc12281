"""What is computed where gradients are off, or is detached, is trained by nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api
from tests.scan.programs import lay_out

PROGRAM = """
import contextlib
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader
from opacus import PrivacyEngine

model = nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
members = DataLoader(torch.zeros(64, 4), batch_size=8)
model, optimizer, loader = PrivacyEngine().make_private(
    module=model, optimizer=optimizer, data_loader=members, noise_multiplier=1.0, max_grad_norm=1.0)
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(model(x), y).backward()
    optimizer.step()

attack = nn.Linear(2, 2)
attack_optimizer = torch.optim.Adam(attack.parameters())
ABOVE
for x, y in members:
    COMPUTE
    attack_optimizer.zero_grad()
    F.cross_entropy(attack(out), y).backward()
    attack_optimizer.step()
"""
NO_GRADIENT = [
    "with torch.no_grad():\n        out = model(x).softmax(-1)",
    "with torch.inference_mode():\n        out = model(x).clone()",
    "with torch.set_grad_enabled(False):\n        out = model(x)",
    "with torch.no_grad(), contextlib.nullcontext():\n        out = torch.log(model(x))",
    "out = model(x).detach()",
    "out = torch.softmax(model(x), -1).detach().requires_grad_(True)",
    "out = model(x).data",
    "out = torch.cat([model(x).detach(), model(x).detach()])[: len(x)]",
    "out = ask(x)",
    "with torch.no_grad():\n        out = compute(x)",
]
GRADIENT = [
    "out = model(x)",
    "with torch.enable_grad():\n        out = model(x)",
    "with torch.no_grad():\n        print(model(x))\n    out = model(x)",
    "with torch.no_grad():\n        with torch.enable_grad():\n            out = model(x)",
    "with torch.set_grad_enabled(True):\n        out = model(x)",
    "with torch.inference_mode(False):\n        out = model(x)",
    "out = model(x) + model(x).detach()",
    "print(ask(x)); out = compute(x)",
]
FUNCTIONS = """
@torch.no_grad()
def ask(x):
    return compute(x)

def compute(x):
    return model(x)
"""


STEPPED = "\n    optimizer.step()\n"
"""The private optimizer steps as well, on whatever gradients its model has."""


def _rules(folder: Path, compute: str, then: str = "") -> set[str]:
    text = PROGRAM.replace("COMPUTE", compute).replace("ABOVE", FUNCTIONS) + then
    return {f.rule for f in api.scan(cwd=lay_out(folder, train=text)).findings if f.severity != "info"}


@pytest.mark.parametrize("compute", NO_GRADIENT)
@pytest.mark.parametrize("then", ["", STEPPED])
def test_an_attack_on_a_private_model_is_not_its_training(tmp_path: Path, compute: str, then: str) -> None:
    assert _rules(tmp_path, compute, then) == set()


@pytest.mark.parametrize("compute", GRADIENT)
def test_what_goes_back_to_the_private_model_trains_it(tmp_path: Path, compute: str) -> None:
    assert "DPM301" in _rules(tmp_path, compute, STEPPED)


@pytest.mark.parametrize("compute", GRADIENT)
def test_gradients_that_no_private_step_takes_train_nothing(tmp_path: Path, compute: str) -> None:
    assert "DPM301" not in _rules(tmp_path, compute)


def test_batches_that_come_side_by_side_are_not_certain(tmp_path: Path) -> None:
    text = (
        PROGRAM.partition("for x, y in loader")[0]
        + """
baseline = nn.Linear(4, 2)
sgd = torch.optim.SGD(baseline.parameters(), lr=0.1)
for (x, y), (a, b) in zip(loader, members):
    F.cross_entropy(model(x), y).backward()
    F.cross_entropy(baseline(a), b).backward()
    optimizer.step(); sgd.step()
"""
    )
    findings = api.scan(cwd=lay_out(tmp_path, train=text)).findings
    assert {f.certainty for f in findings if f.rule == "DPM301"} <= {"possible"}
