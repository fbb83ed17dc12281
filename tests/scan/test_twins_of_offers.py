"""What a function offers, and what is told beside the whole: faulty programs and their right twins."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scan.test_twins import test_the_fault_and_its_right_twin as told_and_silent

TRAIN = """
import torch
from opacus import PrivacyEngine


def train(model, optimizer, loader, poisson_sampling: bool = True):
    engine = PrivacyEngine()
    model, optimizer, loader = engine.make_private(
        module=model, optimizer=optimizer, data_loader=loader,
        noise_multiplier=1.0, max_grad_norm=1.0, poisson_sampling=poisson_sampling)
    for x, y in loader:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    return engine.get_epsilon(1e-5)
"""
FIXED = (
    TRAIN
    + """

def main(model, optimizer, loader):
    print(train(model, optimizer, loader, poisson_sampling=False))
"""
)
TOTAL = (
    TRAIN
    + """

def main(clients, budget):
    total = 0.0
    for model, optimizer, loader in clients:
        total += train(model, optimizer, loader)
    print(TOLD)
"""
)

PAIRS = [
    ("DPM308", TRAIN.replace("bool = True", "bool = False"), TRAIN),
    ("DPM308", FIXED, TRAIN),
    ("DPM307", TOTAL.replace("TOLD", "total / len(clients)"), TOTAL.replace("TOLD", "total / budget")),
    (
        "DPM307",
        TOTAL.replace("TOLD", 'f"{total / len(clients)}"'),
        TOTAL.replace("TOLD", 'f"{total} {total / len(clients)}"'),
    ),
    (
        "DPM307",
        TOTAL.replace("TOLD", '{"mean": total / len(clients)}'),
        TOTAL.replace("TOLD", '{"all": float(total), "mean": total / len(clients)}'),
    ),
]


@pytest.mark.parametrize("rule, faulty, right", PAIRS)
def test_offers_and_totals_and_their_right_twins(tmp_path: Path, rule: str, faulty: str, right: str) -> None:
    told_and_silent(tmp_path, rule, faulty, right)
