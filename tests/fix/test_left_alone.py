"""What a safe fix must leave alone: other models, other runs' loaders, engines that make their own noise."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dpmigrate.fixing import fix
from dpmigrate.fixing.result import FixResult

HEAD = """\
import sys
import torch
from opacus import PrivacyEngine
from torch import nn

def parts():
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = torch.utils.data.DataLoader([], batch_size=8)
    return model, optimizer, loader

SEED = int(sys.argv[1])
"""
MAKE = "PrivacyEngine().make_private(module=model, optimizer=optimizer, data_loader=loader, {more}"
MAKE += 'noise_multiplier=1.0, max_grad_norm=1.0, grad_sample_mode="ghost")\n'
TRAIN = """
def train(model, optimizer, loader, criterion):
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()

"""
STEP = """
for x, y in loader:
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    optimizer.step()
"""


def fixed(folder: Path, program: str, unsafe: bool = False) -> FixResult:
    (folder / "train.py").write_text(program, encoding="utf-8")
    return fix(["."], unsafe=unsafe, seed="SEED", cwd=folder, opacus=">=1.5.4")


PRIVATE = f"model, optimizer, loader = {MAKE.format(more='criterion=criterion, ')}"
SHARED = "train(*parts(), nn.CrossEntropyLoss())\ncriterion = nn.CrossEntropyLoss()\n"
SHARED += "model, optimizer, loader = parts()\n"


@pytest.mark.parametrize(
    "program",
    [
        f"{HEAD}{TRAIN}{SHARED}{PRIVATE}train(model, optimizer, loader, criterion)\n",
        f"{HEAD}{TRAIN}criterion = nn.CrossEntropyLoss()\nmodel, optimizer, loader = parts()\n{PRIVATE}"
        "train(model, optimizer, loader, criterion)\ntrain(*parts(), criterion)\n",
    ],
    ids=["before", "after"],
)
def test_a_function_that_also_trains_a_plain_model(tmp_path: Path, program: str) -> None:
    result = fixed(tmp_path, program)
    assert not result.contents
    assert any("not private" in why or "unwrapped" in why for _, why in result.unmade)


def test_a_generator_that_learns_through_the_private_model(tmp_path: Path) -> None:
    program = f"{HEAD}criterion = nn.CrossEntropyLoss()\nmodel, optimizer, loader = parts()\n"
    program += f"other, second, _ = parts()\nmodel, optimizer, loader = {MAKE.format(more='')}"
    program += STEP + "    criterion(model(other(x)), y).backward()\n    second.step()\n"
    result = fixed(tmp_path, program)
    assert not result.contents
    assert any("another model" in why for _, why in result.unmade)


def test_a_criterion_that_is_made_late_in_two_functions(tmp_path: Path) -> None:
    body = f"model, optimizer, loader = parts()\nmodel, optimizer, loader = {MAKE.format(more='')}"
    body = (body + "criterion = nn.CrossEntropyLoss()" + STEP).rstrip().replace("\n", "\n    ")
    result = fixed(tmp_path, HEAD + "".join(f"\ndef {name}():\n    {body}\n" for name in ("first", "second")))
    text = result.contents["train.py"].decode()
    assert text.count("criterion=criterion") == 2
    assert text.count("criterion = nn.CrossEntropyLoss()\n    model, optimizer, criterion, loader") == 2


RUN = f"model, optimizer, criterion, loader = {MAKE.format(more='criterion=nn.CrossEntropyLoss(), ')}{STEP}"


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (
            f"{HEAD}model, optimizer, loader = parts()\n{RUN}model, optimizer, _ = parts()\n{RUN}",
            "another private run",
        ),
        (
            f"{HEAD}model, optimizer, loader = parts()\n"
            + RUN.replace("PrivacyEngine()", "PrivacyEngine(secure_mode=bool(SEED))"),
            "secure_mode",
        ),
    ],
)
def test_no_generators_where_they_cannot_be_given(tmp_path: Path, program: str, reason: str) -> None:
    result = fixed(tmp_path, program, unsafe=True)
    assert any(reason in why for finding, why in result.unmade if finding.rule == "DPM203")


@pytest.mark.parametrize("line", ["    !pip install opacus==1.5.2", "\t%pip install opacus==1.5.2 torch"])
def test_an_indented_install_is_pinned_where_it_stands(tmp_path: Path, line: str) -> None:
    sources = [f"if True:\n{line}\n", f"{HEAD}model, optimizer, loader = parts()\n{RUN}"]
    cells = [
        {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": source}
        for source in sources
    ]
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "train.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    result = fix(["."], cwd=tmp_path)
    after = json.loads(result.contents["train.ipynb"])
    assert after["cells"][0]["source"] == sources[0].replace("1.5.2", "1.5.4")


@pytest.mark.parametrize(("made_by", "told"), [("nn.BCELoss()", True), ("nn.CrossEntropyLoss()", False)])
def test_a_loss_for_each_element_is_told_of(tmp_path: Path, made_by: str, told: bool) -> None:
    head = HEAD.replace("nn.Linear(4, 2)", "nn.Linear(4, int(sys.argv[2]))")
    program = f"{head}criterion = {made_by}\nmodel, optimizer, loader = parts()\n"
    result = fixed(tmp_path, program + f"model, optimizer, loader = {MAKE.format(more='')}{STEP}")
    assert result.contents
    assert any("BCELoss has one loss for each element" in notice for notice in result.notices) == told
