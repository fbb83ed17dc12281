"""A rule over a new event takes four places: the record, its handler, the rule, the fixture that shows it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dpmigrate.advisories.new_rule import RULE
from tests.opacus_releases import CHECKOUT

RECORD = '''

@dataclass(frozen=True, slots=True)
class ModelExported(Event):
    """The private model is exported, with the hooks of training in it."""

    by: str
    hooked: bool
'''
HANDLER = '''"""Models that are written out as graphs."""

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.values import NONE, Value
from dpmigrate.analysis.ledger.models import ModelExported
from dpmigrate.analysis.registry import CallInfo, function
from dpmigrate.analysis.training import entries_of_kind


@function("torch.onnx.export")
def _exported(ip: Interpreter, info: CallInfo) -> Value:
    for entry, model in entries_of_kind(info.argument(0, "model"), "dp-model"):
        ip.happen(model.data, ModelExported(ip.at(info.node, entry.guard), by=info.name, hooked=True))
    return NONE
'''
PROGRAM = """\
import torch
from opacus import PrivacyEngine

net = torch.nn.Linear(2, 2)
private, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.randn(8, 2)), batch_size=4),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
torch.onnx.export(MODEL, (torch.randn(1, 2),), "model.onnx")
"""


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the package with the event, its handler in a module of its own, and the rule."""
    for folder in ("dpmigrate", "rules"):
        shutil.copytree(CHECKOUT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    analysis = tmp_path / "dpmigrate" / "analysis"
    with (analysis / "ledger" / "models.py").open("a", encoding="utf-8") as ledger:
        ledger.write(RECORD)
    (analysis / "library" / "torch" / "exporting.py").write_text(HANDLER, encoding="utf-8")
    rule = RULE.format(rule="DPM998", name="exported-model")
    rule = rule.replace('"run"', '"model-exported"').replace('"ghost"', '"hooks and event.hooked"')
    rule = rule.replace("what is wrong in {mode} mode", "{event.by} writes the hooks")
    (tmp_path / "rules" / "DPM998-exported-model.md").write_text(rule, encoding="utf-8")
    return tmp_path


def test_nothing_else_has_to_know_of_it(house: Path) -> None:
    (house / "train.py").write_text(PROGRAM.replace("MODEL", "private"), encoding="utf-8")
    (house / "right.py").write_text(PROGRAM.replace("MODEL", "net"), encoding="utf-8")
    command = ["-m", "dpmigrate", "scan", "--select", "DPM998", "--format", "json", "train.py", "right.py"]
    ran = subprocess.run(
        [sys.executable, *command],
        cwd=house,
        env={**os.environ, "PYTHONPATH": str(house)},
        capture_output=True,
        text=True,
        check=False,
    )
    findings = json.loads(ran.stdout)["findings"]
    assert [(f["path"], f["certainty"]) for f in findings] == [("train.py", "definite")], ran.stderr
    assert findings[0]["message"].startswith("torch.onnx.export writes the hooks")
