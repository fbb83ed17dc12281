"""Outputs of hooked layers changed in place (DPM414): what only looks like it, then each form."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api

HEAD = (
    "import torch\nimport torch.nn.functional as F\nfrom opacus import PrivacyEngine\nfrom torch import nn\n"
)
CALL = (
    "\nopt = torch.optim.SGD(net.parameters(), lr=0.1)\n"
    "net, opt, loader = PrivacyEngine().make_private(module=net, optimizer=opt, data_loader=[], "
    "noise_multiplier=1.0, max_grad_norm=1.0)\n"
)
CLASS = (
    "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    "        self.conv = nn.Conv2d(1, 4, 3)\n        self.act = nn.ReLU(inplace=True)\n"
    "        self.drop = nn.Dropout(0.1)\n\n    def forward(self, x):\n"
)


def found(folder: Path, text: str, pins: str = "opacus>=1.5.4\n") -> list[int]:
    (folder / "train.py").write_text(text + CALL, encoding="utf-8")
    (folder / "requirements.txt").write_text(pins, encoding="utf-8")
    said = [f for f in api.scan(["."], cwd=folder).findings if f.rule == "DPM414"]
    assert all(f.certainty == "definite" for f in said)
    return [f.span.line for f in said]


@pytest.mark.parametrize(
    "body",
    [
        "return self.drop(F.relu(self.conv(x))).relu_()",
        "x = F.max_pool2d(self.conv(x), 2)\n        x += 1\n        return x",
        "x = self.conv(x) + 1\n        return self.act(x)",
        "count = 0\n        count += 1\n        return self.conv(x)",
        "return self.conv(self.act(x))",
        "return F.relu(self.conv(x), inplace=False)",
    ],
)
def test_what_was_made_anew_may_be_changed(tmp_path: Path, body: str) -> None:
    assert found(tmp_path, f"{HEAD}{CLASS}        {body}\n\n\nnet = Net()") == []


@pytest.mark.parametrize(
    "net",
    [
        "nn.Sequential(nn.ReLU(inplace=True), nn.Linear(2, 2))",
        "nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Dropout(0.1, True))",
        "nn.Sequential(nn.Linear(2, 2), nn.ReLU(inplace=False))",
    ],
)
def test_sequences_without_the_fault(tmp_path: Path, net: str) -> None:
    assert found(tmp_path, f"{HEAD}net = {net}") == []


def test_older_releases_train(tmp_path: Path) -> None:
    assert (
        found(tmp_path, f"{HEAD}net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(True))", "opacus==1.5.3\n") == []
    )


@pytest.mark.parametrize(
    "net",
    [
        "nn.Sequential(nn.Linear(2, 2), nn.ReLU(inplace=True))",
        "nn.Sequential(*[nn.Linear(2, 2), nn.ReLU(True)])",
        "nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.LeakyReLU(0.1, True))",
        "nn.Sequential(nn.Sequential(nn.Conv2d(1, 2, 3), nn.GroupNorm(1, 2)), nn.Dropout(0.1, inplace=True))",
    ],
)
def test_a_layer_behind_a_layer(tmp_path: Path, net: str) -> None:
    assert found(tmp_path, f"{HEAD}net = {net}") == [5]


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("return self.act(self.conv(x))", 9),
        ("out = self.conv(x)\n        out += x\n        return out", 14),
        ("out = self.conv(x).view(-1)\n        return F.relu(out, inplace=True)", 14),
        ("return self.conv(x).relu_()", 13),
        ("while x.any():\n            x = F.relu(self.conv(x), True)\n        return x", 14),
    ],
)
def test_the_forms_of_a_forward(tmp_path: Path, body: str, line: int) -> None:
    assert found(tmp_path, f"{HEAD}{CLASS}        {body}\n\n\nnet = Net()") == [line]


def test_torchvision_changes_in_place(tmp_path: Path) -> None:
    text = f"{HEAD}from torchvision.models import resnet18\nnet = resnet18()"
    assert found(tmp_path, text) == [6]
