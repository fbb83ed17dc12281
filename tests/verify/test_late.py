"""What changes behind the steps that are judged in full, and steps that a script puts together itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate.report.verification.text import render_text
from tests.verify.conduct import CALL, STEP, WATCHED, planted

pytestmark = [pytest.mark.opacus, pytest.mark.slow]

HOOKS = (CALL, 'train(model, "hooks")\n')
IN_LAST_EPOCH = "            if epoch: {}\n"
BY_PARTS = (
    "            optimizer.clip_and_accumulate(); optimizer.add_noise(); optimizer.scale_grad()\n"
    "{}            optimizer.original_optimizer.step()\n"
)
WHERE = "(step 11, whose loss is made in another way)"
TOLD = "            engine.accountant.step(noise_multiplier=1.0, sample_rate=0.1)\n"


@pytest.mark.parametrize(
    ("changed", "rule"),
    [("[p.grad.mul_(3) for p in model.parameters()]", "DPM109"), ("optimizer.zero_grad()", "DPM108")],
)
def test_gradients_of_later_steps_are_those_that_were_clipped(
    tmp_path: Path, changed: str, rule: str
) -> None:
    done = planted(tmp_path, (STEP, IN_LAST_EPOCH.format(changed) + STEP), checks="parity,noise-std")
    assert done.failing == {("parity-clipped-sum", rule)}, done.stderr[-2000:]
    assert any("10 steps, the first is step 11" in check["detail"] for check in done.report["checks"])


@pytest.mark.parametrize("mixed", [True, False])
def test_a_loss_that_is_made_in_another_way_later_is_said(tmp_path: Path, mixed: bool) -> None:
    first = "epoch < 1" if mixed else "number % 2"
    loss = f"({first} and criterion(private(a), b) or 0.5 * criterion(private(a), b.flip(0)))"
    edit = ("            criterion(private(a), b)", f"            {loss}")
    done = planted(tmp_path, HOOKS, edit, checks="private-step")
    assert done.status == 0, done.stderr[-2000:]
    assert done.report["engines"][0]["other_loss_from"] == (11 if mixed else None)
    said = "from step 11 on the loss is made in another way (--steps 11 judges it)"
    assert (said in " ".join(render_text(done.report).split())) == mixed


@pytest.mark.parametrize(
    ("loss", "rule"),
    [
        ("0.5 * criterion(private(a), b.flip(0)) + criterion(private(a), b)", "DPM124"),
        ("(criterion(private(a), b) + private(a).square().mean())", None),
    ],
)
def test_a_later_loss_that_joins_the_examples_is_tried_where_it_begins(
    tmp_path: Path, loss: str, rule: str | None
) -> None:
    later = f"            ((not epoch) and criterion(private(a), b) or {loss})"
    edit = ("            criterion(private(a), b)", later.replace("private(a)", "out"))
    out = ("            optimizer.zero_grad()\n", "            optimizer.zero_grad(); out = private(a)\n")
    done = planted(tmp_path, HOOKS, out, edit, checks="parity,sensitivity")
    assert done.failing == ({("sensitivity", rule)} if rule else set()), done.stderr[-2000:]
    (tried,) = [c for c in done.report["checks"] if WHERE in c["detail"]]
    assert tried["passed"] is (rule is None)
    assert done.report["engines"][0]["other_loss_from"] is None


@pytest.mark.parametrize("large", [0.3, 0.0])
def test_some_later_sums_are_held_to_the_oracle(tmp_path: Path, large: float) -> None:
    penalty = f"{large} * (number > 5) * sum(p.square().sum() for p in model.parameters())"
    edit = ("criterion(private(a), b)", f"(criterion(private(a), b) + {penalty})")
    done = planted(tmp_path, edit, checks="parity")
    assert done.failing == ({("parity-clipped-sum", "DPM107")} if large else set()), done.stderr[-2000:]
    said = "(step 10)" if large else "over 2 logical steps, and in step 10, 20"
    assert any(said in check["detail"] for check in done.report["checks"])


def test_seeds_that_move_from_epoch_to_epoch_are_the_scripts_own(tmp_path: Path) -> None:
    seeded = "    for epoch in range(epochs):\n        torch.manual_seed(1000 + epoch)\n"
    done = planted(
        tmp_path, HOOKS, ("    for epoch in range(epochs):\n", seeded), checks="noise-fresh,noise-std"
    )
    assert (done.status, done.failing) == (0, set()), done.stderr[-2000:]
    assert "the script seeds the global generator" in done.check("noise-fresh")["detail"]


def test_a_layer_that_is_frozen_later_needs_no_noise(tmp_path: Path) -> None:
    frozen = "    for epoch in range(epochs):\n        private._module[0].requires_grad_(not epoch)\n"
    done = planted(tmp_path, HOOKS, ("    for epoch in range(epochs):\n", frozen), checks="noise-std")
    assert (done.status, done.failing) == (0, set()), done.stderr[-2000:]


@pytest.mark.parametrize(("told", "failing"), [(TOLD, set()), ("", {("accounting", "DPM315")})])
def test_a_step_may_be_made_of_its_parts(
    tmp_path: Path, told: str, failing: set[tuple[str, str | None]]
) -> None:
    silent = ("    print(engine.get_epsilon(1e-5))\n", "")
    done = planted(tmp_path, HOOKS, silent, (STEP, BY_PARTS.format(told)), checks=WATCHED)
    assert done.failing == failing, done.stderr[-2000:]
    assert done.check("parity-clipped-sum")["passed"] is True
    assert done.check("private-loader")["passed"] is True
