"""What a test gives the program makes nothing sure of the program."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api
from tests.scan.programs import lay_out

TRAINER = """\
import torch
from opacus import PrivacyEngine
from torch import nn


class Trainer:
    def __init__(self, model, config):
        self.model, self.config = model, config

    def fit(self, loader):
        engine = PrivacyEngine()
        optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)
        model, optimizer, loader = engine.make_private(
            module=self.model,
            optimizer=optimizer,
            data_loader=loader,
            noise_multiplier=1.0,
            max_grad_norm=1.0,
            poisson_sampling=GIVEN,
        )
        for x, y in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
        return engine.get_epsilon(delta=1e-5)
"""
CALLER = """\
import torch
from torch.utils.data import DataLoader, TensorDataset
from trainer import Trainer


def NAME():
    data = TensorDataset(torch.randn(20, 4), torch.zeros(20).long())
    Trainer(torch.nn.Linear(4, 2), {"poisson": False}).fit(DataLoader(data, batch_size=4))
"""
FROM_THE_CONFIG = 'self.config.get("poisson", True)'


@pytest.mark.parametrize(
    ("given", "callers", "certainty"),
    [
        (FROM_THE_CONFIG, ["test_fit"], "possible"),
        (FROM_THE_CONFIG, ["main"], "definite"),
        (FROM_THE_CONFIG, ["test_fit", "main"], "definite"),
        ("False", ["test_fit"], "definite"),
    ],
)
def test_a_value_that_a_test_alone_gives_is_possible(
    tmp_path: Path, given: str, callers: list[str], certainty: str
) -> None:
    files = {f"use_{name}": CALLER.replace("NAME", name) for name in callers}
    lay_out(tmp_path, trainer=TRAINER.replace("GIVEN", given), **files)
    (finding,) = [f for f in api.scan(["."], cwd=tmp_path).findings if f.rule == "DPM308"]
    assert finding.certainty == certainty
