"""What is meant in a file of tests: noise that is known or missing, weights that begin an account anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api
from tests.scan.programs import lay_out

MODULE = """
import torch
from opacus import PrivacyEngine
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def private(sigma, generator=None):
    net = nn.Linear(4, 2)
    data = TensorDataset(torch.randn(64, 4), torch.randint(0, 2, (64,)))
    engine = PrivacyEngine()
    net, optimizer, loader = engine.make_private(
        module=net,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
        data_loader=DataLoader(data, batch_size=8),
        noise_multiplier=sigma,
        max_grad_norm=1.0,
        noise_generator=generator,
    )
    BEGIN
    for x, y in loader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
    torch.save(net.state_dict(), "net.pt")
    return net, engine.get_epsilon(1e-5)


def NAME():
    private(GIVEN)


if __name__ == "__main__":
    NAME()
"""
PLANTED = [
    ({"GIVEN": "0.0"}, "DPM208"),
    ({"GIVEN": "1.0, torch.Generator().manual_seed(0)"}, "DPM204"),
    ({"GIVEN": "1.0", "BEGIN": 'net.load_state_dict(torch.load("net.pt"))'}, "DPM310"),
]


def _found(folder: Path, file: str, words: dict[str, str]) -> set[str]:
    program = MODULE
    for word, written in ({"BEGIN": "net.train()"} | words).items():
        program = program.replace(word, written)
    lay_out(folder, **{file: program})
    result = api.scan(["."], cwd=folder, opacus=">=1.5.4")
    assert len(result.runs) == 1
    return {finding.rule for finding in result.findings if finding.severity != "info"}


@pytest.mark.parametrize(("words", "rule"), PLANTED)
def test_the_tests_of_a_project_may(tmp_path: Path, words: dict[str, str], rule: str) -> None:
    assert _found(tmp_path, "test_training", words | {"NAME": "test_it"}) == set()


@pytest.mark.parametrize(("words", "rule"), PLANTED)
@pytest.mark.parametrize(("file", "name"), [("training", "test_it"), ("test_training", "main")])
def test_a_program_may_not(tmp_path: Path, words: dict[str, str], rule: str, file: str, name: str) -> None:
    assert _found(tmp_path, file, words | {"NAME": name}) == {rule}
