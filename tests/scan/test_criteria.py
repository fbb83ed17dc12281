"""Which criteria of a project give one loss per example when asked for it."""

from __future__ import annotations

import libcst as cst
import pytest

from dpmigrate.analysis.closing.forwards import honours_forward

KEEPS = [
    "return F.cross_entropy(x, y, reduction=self.reduction)",
    'losses = a * b\nif self.reduction == "mean":\n    return losses.mean()\nreturn losses',
    'losses = a * b\nreturn losses.mean() if self.reduction == "mean" else losses',
    'losses = a * b\nif self.reduction in ("mean", "sum"):\n    losses = losses.mean()\nreturn losses',
]
REDUCES = [
    "return F.cross_entropy(x, y)",
    'return F.cross_entropy(x, y, reduction="none").mean()',
    "losses = a * b\nreturn torch.mean(losses)",
    'losses = a * b\nif self.reduction == "none":\n    return losses.sum()\nreturn losses',
    'losses = a * b\nif self.reduction != "mean":\n    losses = losses.sum()\nreturn losses',
]


def forward(body: str) -> cst.FunctionDef:
    lines = "\n".join("    " + line for line in body.splitlines())
    made = cst.parse_statement(f"def forward(self, x, y):\n{lines}\n")
    assert isinstance(made, cst.FunctionDef)
    return made


@pytest.mark.parametrize("body", KEEPS)
def test_one_loss_per_example(body: str) -> None:
    assert honours_forward(forward(body))


@pytest.mark.parametrize("body", REDUCES)
def test_a_mean_whatever_is_asked(body: str) -> None:
    assert honours_forward(forward(body)) is not True
