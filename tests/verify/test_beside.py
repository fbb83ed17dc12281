"""What trains beside the private model, or before it: a fault by its data, none without."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.verify.running import Verified
from tests.verify.warm import verify

pytestmark = [pytest.mark.opacus, pytest.mark.slow]

PROGRAM = """
import torch
from opacus import PrivacyEngine
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
x = torch.randn(96, 6, generator=torch.Generator().manual_seed(1))
data = TensorDataset(x, x[:, :3].argmax(1))
body = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 4))
other = {other}
steps_other = torch.optim.Adam(other.parameters(), lr=0.01)
optimizer = torch.optim.SGD(body.parameters(), lr=0.1)
given = DataLoader(data, batch_size=12)
criterion = nn.CrossEntropyLoss()
{before}
private, optimizer, loader = PrivacyEngine().make_private(
    module=body, optimizer=optimizer, data_loader=given, noise_multiplier=1.0, max_grad_norm=1.0)
for a, b in loader:
    optimizer.zero_grad()
    steps_other.zero_grad()
    {loop}
"""

CRITIC = (
    "(private(a)[:, 0] - 1).square().mean().backward(); optimizer.step(); private.disable_hooks(); "
    "{}; steps_other.step(); private.enable_hooks()"
)
GENERATED = "(private(other(torch.randn(12, 2)))[:, 0] - 1).square().mean().backward()"
MATCHED = "(private(other(torch.randn(12, 2))).mean(0) - private(a).mean(0)).square().sum().backward()"
GENERATOR = "nn.Linear(2, 6)"
BOTH = "criterion(other(private(a)), b).backward(); optimizer.step(); steps_other.step()"
FROZEN = "criterion(other(private(a)), b).backward(); optimizer.step()"
PLAIN = "criterion(private(a), b).backward(); optimizer.step()"
BASELINE = PLAIN + "; criterion(other(a), b).backward(); steps_other.step()"
WARMED = """
for a, b in {loader}:
    optimizer.zero_grad()
    criterion(body(a), b).backward()
    optimizer.step()
"""
PUBLIC = "DataLoader(TensorDataset(torch.randn(24, 6), torch.zeros(24).long()), batch_size=12)"
RESET = "for layer in (body[0], body[2]):\n    layer.reset_parameters()"


def beside(folder: Path, loop: str, other: str = "nn.Linear(4, 3)", before: str = "") -> Verified:
    text = PROGRAM.format(loop=loop, other=other, before=before)
    (folder / "train.py").write_text(text, encoding="utf-8")
    return verify("1.6.0", "--checks", "private-step", "train.py", cwd=folder)


@pytest.mark.parametrize(
    ("loop", "other"),
    [
        pytest.param(BOTH, "nn.Linear(4, 3)", id="a head behind the private body"),
        pytest.param(
            BOTH.replace("other(private(a))", "private(other(a))"), "nn.Linear(6, 6)", id="a body before it"
        ),
        pytest.param(CRITIC.format(MATCHED), GENERATOR, id="a generator that matches real features"),
    ],
)
def test_what_trains_beside_on_private_data_is_a_second_optimizer(
    tmp_path: Path, loop: str, other: str
) -> None:
    done = beside(tmp_path, loop, other)
    assert done.failing == {("private-step", "DPM123")}, done.stderr[-2000:]
    assert "Adam at train.py:" in done.check("private-step")["detail"]


@pytest.mark.parametrize(
    ("loop", "other"),
    [
        pytest.param(CRITIC.format(GENERATED), GENERATOR, id="a generator that sees what it made"),
        pytest.param(FROZEN, "nn.Linear(4, 3)", id="a head that is never stepped"),
        pytest.param(BASELINE, "nn.Linear(6, 3)", id="a model of its own for comparison"),
    ],
)
def test_what_trains_beside_by_none_of_it_passes(tmp_path: Path, loop: str, other: str) -> None:
    done = beside(tmp_path, loop, other)
    assert done.status == 0, (done.failing, done.stderr[-2000:])


@pytest.mark.parametrize(
    ("before", "rule"),
    [
        (WARMED.format(loader="given"), "DPM120"),
        (WARMED.format(loader="given").replace("optimizer.", "warm.") + "optimizer.zero_grad()", "DPM123"),
        (WARMED.format(loader=PUBLIC), None),
        (WARMED.format(loader="given") + RESET, None),
    ],
    ids=["on the same data", "by another optimizer", "on public data", "reset afterwards"],
)
def test_steps_before_make_private(tmp_path: Path, before: str, rule: str | None) -> None:
    warm = "warm = torch.optim.SGD(body.parameters(), lr=0.1)\n"
    done = beside(tmp_path, PLAIN, before=warm + before)
    assert done.failing == ({("private-step", rule)} if rule else set()), done.stderr[-2000:]
