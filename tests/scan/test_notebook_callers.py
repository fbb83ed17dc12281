"""A notebook that only calls what makes a private run is a part of the program that makes it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dpmigrate import api
from tests.scan.programs import lay_out

HELPERS = """
import torch
from torch import nn
from opacus import PrivacyEngine

def private(data, mode="hooks"):
    model = nn.Linear(4, 2)
    return PrivacyEngine().make_private(
        module=model, optimizer=torch.optim.SGD(model.parameters(), lr=0.1), criterion=nn.CrossEntropyLoss(),
        data_loader=torch.utils.data.DataLoader(data), noise_multiplier=1.0, max_grad_norm=1.0,
        grad_sample_mode=mode)
"""

CELL = """
import torch
from torch import nn
IMPORT
plain = nn.CrossEntropyLoss()
torch.manual_seed(0)
model, optimizer, criterion, loader = private(data, "ghost")
for x, y in loader:
    plain(model(x), y).backward()
    optimizer.step()
"""


@pytest.mark.parametrize("whole", [True, False], ids=["one string", "a list of lines"])
@pytest.mark.parametrize(
    "statement",
    [
        "from helpers import private",
        "import os\nfrom helpers import (\n  private\n)",
        "%run ./helpers.py",
        "%run -i helpers.py -n 3",
    ],
)
def test_what_a_notebook_passes_is_seen(tmp_path: Path, statement: str, whole: bool) -> None:
    text = CELL.replace("IMPORT", statement)
    cell = {"cell_type": "code", "metadata": {}, "source": text if whole else text.splitlines(keepends=True)}
    project = lay_out(tmp_path, helpers=HELPERS)
    (project / "use.ipynb").write_text(json.dumps({"cells": [cell], "metadata": {}}, indent=1))
    result = api.scan(cwd=project)
    assert [(run.mode, run.loss, run.global_seed) for run in result.runs] == [(("ghost",), "other", True)]
    assert ("DPM103", "use.ipynb") in {(f.rule, f.span.path) for f in result.findings}
