"""What a Lightning module keeps as ``self.hparams`` is what it was given."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api
from tests.scan.programs import lay_out

NET = """
import lightning as L
import torch
from opacus import PrivacyEngine
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Net(L.LightningModule):
    def __init__(self, loader, mode="hooks", *, norm=1.2, **more):
        super().__init__()
        SAVED
        self.loader = loader
        self.model = nn.Linear(4, 2)

    def training_step(self, batch, i):
        x, y = batch
        return nn.functional.cross_entropy(self.model(x), y)

    def train_dataloader(self):
        return self.loader

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)
        self.model, optimizer, self.loader = PrivacyEngine().make_private(
            module=self.model, optimizer=optimizer, data_loader=self.loader,
            noise_multiplier=1.0, max_grad_norm=self.hparams["norm"], grad_sample_mode=self.hparams.mode)
        return optimizer


data = TensorDataset(torch.randn(64, 4), torch.zeros(64).long())
L.Trainer(max_epochs=5).fit(Net(DataLoader(data, batch_size=16), mode=MODE))
"""


@pytest.mark.parametrize(
    ("saved", "mode", "modes", "norm"),
    [
        ("self.save_hyperparameters()", '"ghost"', ["ghost"], 1.2),
        ("self.save_hyperparameters()", '"hooks"', ["hooks"], 1.2),
        ('self.save_hyperparameters(ignore=["loader"])', '"ghost"', ["ghost"], 1.2),
        ('self.save_hyperparameters("mode", "norm")', '"ghost"', ["ghost"], 1.2),
        ('self.save_hyperparameters({"mode": mode, "norm": 2.0})', '"ghost"', ["ghost"], 2.0),
        ('self.save_hyperparameters(ignore=["mode", "norm"])', '"ghost"', ["?"], "?"),
        ("self.save_hyperparameters(more)", '"ghost"', ["?"], "?"),
        ("pass", '"ghost"', ["?"], "?"),
    ],
)
def test_what_a_module_keeps(tmp_path: Path, saved: str, mode: str, modes: list[str], norm: object) -> None:
    result = api.scan(cwd=lay_out(tmp_path, train=NET.replace("SAVED", saved).replace("MODE", mode)))
    (run,) = result.runs
    assert (list(run.mode), run.max_grad_norm) == (modes, norm)
    assert any(f.rule == "DPM403" for f in result.findings) == (modes == ["ghost"])
