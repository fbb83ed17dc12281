"""A GAN whose critic is private: the generator's loss goes through it, and is no private loss."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api
from tests.scan.programs import lay_out

PROGRAM = """
import torch
from torch import nn, optim
from opacus import PrivacyEngine

torch.manual_seed(0)
generator = nn.Sequential(nn.Linear(6, 12))
critic = nn.Sequential(nn.Linear(12, 1), nn.Flatten(0))
opt_g = optim.Adam(generator.parameters(), lr=1e-3)
opt_c = optim.Adam(critic.parameters(), lr=1e-3)
loader = torch.utils.data.DataLoader(torch.randn(400, 12), batch_size=40)
critic, opt_c, bce, loader = PrivacyEngine().make_private(
    module=critic, optimizer=opt_c, criterion=nn.BCEWithLogitsLoss(), data_loader=loader,
    noise_multiplier=1.0, max_grad_norm=1.0, grad_sample_mode="ghost")
for real in loader:
    n = len(real)
    opt_c.zero_grad()
    fake = generator(torch.randn(n, 6))
    {critics}.backward()
    opt_c.step()
    opt_g.zero_grad()
    {generators}.backward()
    opt_g.step()
"""
WRAPPED = "bce(critic(torch.cat([real, fake.detach()])), torch.cat([torch.ones(n), torch.zeros(n)]))"
PLAIN = "nn.functional.binary_cross_entropy_with_logits(critic(real), torch.ones(n))"
GENERATORS = [
    "nn.functional.binary_cross_entropy_with_logits(critic(fake), torch.ones(n))",
    "nn.BCEWithLogitsLoss()(critic(fake), torch.ones(n))",
]


@pytest.mark.parametrize("generators", GENERATORS)
def test_the_generator_s_loss_needs_no_wrapping(tmp_path: Path, generators: str) -> None:
    lay_out(tmp_path, train=PROGRAM.format(critics=WRAPPED, generators=generators))
    assert "DPM103" not in {f.rule for f in api.scan(["."], cwd=tmp_path, opacus=">=1.5.4").findings}


@pytest.mark.parametrize("generators", GENERATORS)
def test_the_critic_s_does(tmp_path: Path, generators: str) -> None:
    text = PROGRAM.format(critics=PLAIN, generators=generators)
    lay_out(tmp_path, train=text)
    found = {
        f.span.line for f in api.scan(["."], cwd=tmp_path, opacus=">=1.5.4").findings if f.rule == "DPM103"
    }
    assert text[: text.index(PLAIN)].count("\n") + 1 in found
