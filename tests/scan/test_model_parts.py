"""What a part of a private model computes belongs to the model; what it only says does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api
from tests.scan.programs import lay_out, right


def losses(folder: Path, loss: str) -> set[str]:
    lay_out(folder, train=right(loss=loss))
    return {f.rule for f in api.scan(["."], cwd=folder).findings}


@pytest.mark.parametrize(
    "loss",
    [
        "loss = criterion(model.head(model.body(x)), y)",
        "loss = criterion(model(x), y)\n        print(model.head.weight.sum())",
        "for z in model.batches():\n            nn.functional.mse_loss(nn.Linear(4, 2)(z), y).backward()\n"
        "        loss = criterion(model(x), y)",
        "z = model.settings.load('z')\n        nn.functional.mse_loss(nn.Linear(4, 2)(z), y).backward()\n"
        "        loss = criterion(model(x), y)",
        "if model.training:\n            loss = criterion(model(x), y)\n        else:\n"
        "            loss = criterion(model(x + 1), y)",
    ],
)
def test_right(tmp_path: Path, loss: str) -> None:
    assert losses(tmp_path, loss) == set()


@pytest.mark.parametrize(
    "part",
    [
        "model.body(x)",
        "model.head(model.body(x))",
        "model.heads[0](x)",
        "model.encoder.layers.first(x)",
        "model._module.body(x)",
        "model._module(x)",
        "model.a(x) * model.b(y)",
        "torch.cat([model.a(x), model.b(y)])",
        "model.encode(x=x)",
    ],
)
def test_a_loss_of_a_part_that_nothing_wraps(tmp_path: Path, part: str) -> None:
    assert losses(tmp_path, f"loss = nn.functional.mse_loss({part}, y)") == {"DPM103"}


def test_a_branch_on_the_model_is_not_taken_for_true(tmp_path: Path) -> None:
    branch = "if model.training:\n            loss = criterion(model(x), y)\n        else:\n"
    assert losses(tmp_path, f"{branch}            loss = nn.functional.mse_loss(model(x), y)") == {"DPM103"}
