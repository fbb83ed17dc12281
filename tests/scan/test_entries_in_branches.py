"""A dict that is given an entry in one branch alone has it under what that branch assumes."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api
from tests.scan.programs import lay_out

PROGRAM = """
import argparse
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from opacus import PrivacyEngine

parser = argparse.ArgumentParser()
parser.add_argument("--dp", action="store_true")
parser.add_argument("--ghost", action="store_true")
args = parser.parse_args()
loader = DataLoader(TensorDataset(torch.randn(64, 4), torch.randint(0, 2, (64,))), batch_size=16)
model = nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
criterion = plain = nn.CrossEntropyLoss()
options = dict(noise_multiplier=1.0, max_grad_norm=1.0)
if ASSUMED:
    FILLED
if args.dp:
    made = PrivacyEngine().make_private(module=model, optimizer=optimizer, data_loader=loader, **options)
    if TEST:
        model, optimizer, criterion, loader = made
    else:
        model, optimizer, loader = made
for x, y in loader:
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    optimizer.step()
"""
ASSUMED = ["args.ghost", "args.dp and args.ghost"]
FILLED = {
    "by items": 'options["grad_sample_mode"] = "ghost"; options["criterion"] = criterion',
    "by update": 'options.update(grad_sample_mode="ghost", criterion=criterion)',
    "by update with a dict": 'options.update({"grad_sample_mode": "ghost", "criterion": criterion})',
    "anew": 'options = {**options, "grad_sample_mode": "ghost", "criterion": criterion}',
    "by the operator": 'options |= {"grad_sample_mode": "ghost", "criterion": criterion}',
}
TESTS = [
    '"criterion" in options',
    'not ("criterion" not in options)',
    '"criterion" in options.keys()',
    'options.get("criterion")',
    'options.get("criterion") is not None',
    'options.get("grad_sample_mode") == "ghost"',
    'options.get("grad_sample_mode", "hooks") == "ghost"',
    "args.ghost",
]


def alarms(folder: Path, assumed: str, filled: str, test: str, copied: str = "") -> set[str]:
    program = PROGRAM.replace("ASSUMED", assumed).replace("FILLED", filled).replace("TEST", test)
    lay_out(folder, train=program.replace("if args.dp:\n", f"{copied}if args.dp:\n"))
    result = api.scan(["."], cwd=folder, opacus=">=1.5.4")
    return {finding.rule for finding in result.findings if finding.severity != "info"}


@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize("filled", FILLED.values(), ids=FILLED)
@pytest.mark.parametrize("assumed", ASSUMED)
def test_what_is_asked_of_the_dict_goes_the_way_of_the_branch(
    tmp_path: Path, assumed: str, filled: str, test: str
) -> None:
    assert alarms(tmp_path, assumed, filled, test) == set()


@pytest.mark.parametrize("copied", ["options = dict(options)\n", "options = {**options}\n"])
def test_so_do_copies(tmp_path: Path, copied: str) -> None:
    assert alarms(tmp_path, "args.ghost", FILLED["by items"], '"criterion" in options', copied) == set()


@pytest.mark.parametrize(
    "test", ['"criterion" not in options', 'options.get("criterion") is None', "not args.ghost"]
)
def test_the_wrong_way_round_is_told(tmp_path: Path, test: str) -> None:
    assert "DPM403" in alarms(tmp_path, "args.ghost", FILLED["by items"], test)
