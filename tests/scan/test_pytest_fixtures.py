"""Private runs that a fixture makes are those of the tests that ask for it, each its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api
from tests.scan.programs import lay_out

MODULE = """
import pytest
import torch
from opacus import PrivacyEngine
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


@pytest.fixture
def loader():
    return DataLoader(TensorDataset(torch.randn(64, 4), torch.randint(0, 2, (64,))), batch_size=8)


{decorator}
def private(loader{more}):
    net = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    engine = PrivacyEngine()
    made = engine.make_private(
        module=net, optimizer=optimizer, data_loader=loader, criterion=nn.CrossEntropyLoss(),
        noise_multiplier=1.0, max_grad_norm=1.0, grad_sample_mode={mode})
    {give} (made, engine)


def test_one(private, loader):
    made, engine = private
    {unpack}
    for x, y in {over}:
        optimizer.zero_grad()
        {loss}(net(x), y).backward()
        optimizer.step()
    assert engine.get_epsilon(1e-5) > 0


def test_other(private):
    made, engine = private
    {unpack}
    for x, y in batches:
        optimizer.zero_grad()
        {loss}(net(x), y).backward()
        optimizer.step()
    assert engine.get_epsilon(1e-5) > 0
"""
RIGHT = {
    "decorator": "@pytest.fixture",
    "more": "",
    "mode": '"ghost"',
    "give": "yield",
    "unpack": "net, optimizer, criterion, batches = made",
    "over": "batches",
    "loss": "criterion",
}
EACH_MODE = {
    "decorator": '@pytest.fixture(params=["hooks", "ghost"])',
    "more": ", request",
    "mode": "request.param",
    "unpack": (
        "if len(made) == 4:\n        net, optimizer, criterion, batches = made\n    "
        "else:\n        net, optimizer, batches = made\n        criterion = nn.CrossEntropyLoss()"
    ),
}


@pytest.mark.parametrize(
    ("words", "rules"),
    [
        ({}, set()),
        ({"give": "return"}, set()),
        ({"over": "loader"}, {"DPM301"}),
        ({"give": "return", "over": "loader"}, {"DPM301"}),
        ({"loss": "nn.CrossEntropyLoss()"}, {"DPM103"}),
        (EACH_MODE, set()),
        (
            EACH_MODE | {"unpack": "net, optimizer, batches = made", "loss": "nn.CrossEntropyLoss()"},
            {"DPM403"},
        ),
    ],
)
def test_a_run_of_a_fixture(tmp_path: Path, words: dict[str, str], rules: set[str]) -> None:
    lay_out(tmp_path, test_training=MODULE.format(**RIGHT | words))
    result = api.scan(["."], cwd=tmp_path, opacus=">=1.5.4")
    assert {finding.rule for finding in result.findings if finding.severity != "info"} == rules
    (run,) = result.runs
    assert run.mode == (("ghost", "hooks") if "request.param" in words.values() else ("ghost",))


def test_a_fixture_of_the_class_that_asks_for_a_fixture(tmp_path: Path) -> None:
    program = """
import pytest
import torch
from opacus import PrivacyEngine
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class TestTraining:
    @pytest.fixture
    def loader(self):
        return DataLoader(TensorDataset(torch.randn(64, 4), torch.randint(0, 2, (64,))), batch_size=8)

    @pytest.fixture
    def private(self, loader):
        net = nn.Linear(4, 2)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        return PrivacyEngine().make_private(
            module=net, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0)

    def test_it(self, private, loader):
        net, optimizer, batches = private
        for x, y in BATCHES:
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x), y).backward()
            optimizer.step()
"""
    for over, rules in (("batches", set[str]()), ("loader", {"DPM301"})):
        lay_out(tmp_path, test_training=program.replace("BATCHES", over))
        findings = api.scan(["."], cwd=tmp_path, opacus=">=1.5.4").findings
        assert {finding.rule for finding in findings if finding.severity != "info"} == rules
