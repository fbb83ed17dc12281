"""Calls that do not come back end the way that they stand on, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dpmigrate import api
from tests.scan.programs import lay_out

PROGRAM = """
import os
import sys
from opacus import PrivacyEngine
from torch import nn


def stop(why):
    print(why)
    sys.exit(1)


def only_some(why):
    if why:
        sys.exit(1)


class Abstract:
    def prepare(self):
        raise NotImplementedError


def main(net, optimizer, loader, why, abstract: Abstract):
    {statement}
    private, optimizer, batches = PrivacyEngine().make_private(
        module=net, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0)
    for x, y in loader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(private(x), y).backward()
        optimizer.step()
"""


@pytest.mark.parametrize(
    ("statement", "goes_on"),
    [
        ("sys.exit(1)", False),
        ("os._exit(1)", False),
        ("exit()", False),
        ("return sys.exit(1)", False),
        ("stop(why)", False),
        ("only_some(why)", True),
        ("abstract.prepare()", True),
        ("if why:\n        sys.exit(1)", True),
        ("try:\n        sys.exit(1)\n    except SystemExit:\n        pass", True),
        ("def later():\n        sys.exit(1)", True),
    ],
)
def test_what_stands_behind_a_call_that_may_not_come_back(
    tmp_path: Path, statement: str, goes_on: bool
) -> None:
    lay_out(tmp_path, train=PROGRAM.format(statement=statement))
    findings = api.scan(["."], cwd=tmp_path, opacus=">=1.5.4").findings
    assert ("DPM301" in {finding.rule for finding in findings}) is goes_on


def test_a_cell_ends_alone(tmp_path: Path) -> None:
    whole = PROGRAM.format(statement="pass") + "\n\nmain(net, optimizer, loader, None, None)\n"
    cells = [
        {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": source}
        for source in ("import sys\nsys.exit()", whole)
    ]
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "train.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    result = api.scan(["."], cwd=tmp_path, opacus=">=1.5.4")
    assert {finding.rule for finding in result.findings if finding.severity == "error"} == {"DPM301"}
