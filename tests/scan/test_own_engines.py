"""Engines of a program's own that do what ``make_private`` does, by the parts that they inherit."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api

PROGRAM = """
import torch
from elsewhere import Base, data
from opacus import PrivacyEngine
from opacus.optimizers import DPOptimizer
from torch import nn, optim
from torch.nn import functional as F
from torch.utils.data import DataLoader


class Own(DPOptimizer):
    pass


class Engine({base}):
    def make_private(
        self, *, module, optimizer, data_loader, noise_multiplier, max_grad_norm,
        poisson_sampling=False, noise_generator=None, grad_sample_mode="hooks", rate=1.0,
    ):
        module = {prepared}
        data_loader = self._prepare_data_loader(data_loader, poisson_sampling=poisson_sampling)
        optimizer = self._prepare_optimizer(optimizer=optimizer, noise_generator=noise_generator)
        optimizer.attach_step_hook(self.accountant.get_optimizer_hook_fn(sample_rate=rate))
        return module, optimizer, data_loader

    {optimizers}


for attempt in range(3):
    net = nn.Linear(16, 4)
    engine = Engine()
    net, optimizer, loader = engine.make_private(
        module=net,
        optimizer=optim.SGD(net.parameters(), lr=0.1),
        data_loader=DataLoader(data(), batch_size=32),
        noise_multiplier=1.0,
        max_grad_norm=1.0,
        noise_generator=torch.Generator().manual_seed(7),
    )
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    print(engine.get_epsilon(1e-5))
"""
PREPARED = "self._prepare_model(module, max_grad_norm=max_grad_norm, grad_sample_mode=grad_sample_mode)"
OWN = """def _prepare_optimizer(self, *, optimizer, noise_generator):
        return Own(optimizer, noise_multiplier=1.0, max_grad_norm=1.0, generator=noise_generator)"""


@pytest.mark.parametrize("optimizers", ["pass", OWN])
def test_it_makes_the_run_that_its_caller_asks_for(tmp_path: Path, optimizers: str) -> None:
    """What such an engine does about sampling and accounting is its own matter: nothing is said of those."""
    text = PROGRAM.format(base="PrivacyEngine", prepared=PREPARED, optimizers=optimizers)
    (tmp_path / "train.py").write_text(text)
    result = api.scan([tmp_path])
    (run,) = result.runs
    assert (run.call, run.mode, text.splitlines()[run.line - 1].strip()) == (
        "make_private",
        ("hooks",),
        "net, optimizer, loader = engine.make_private(",
    )
    assert {f.rule for f in result.findings} == {"DPM204"}


@pytest.mark.parametrize(
    ("base", "prepared"),
    [
        ("Base", PREPARED),
        ("object", PREPARED),
        ("PrivacyEngine", "module"),
        ("PrivacyEngine", "wrap(module)"),
    ],
)
def test_another_engine_makes_none(tmp_path: Path, base: str, prepared: str) -> None:
    (tmp_path / "train.py").write_text(PROGRAM.format(base=base, prepared=prepared, optimizers="pass"))
    assert not api.scan([tmp_path]).runs
