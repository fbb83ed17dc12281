"""Losses scaled by how many examples a batch has: each is clipped, and each moves all others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.verify.conduct import PROGRAM
from tests.verify.warm import verify

pytestmark = [pytest.mark.opacus, pytest.mark.slow]

LOSS = "            criterion(private(a), b).backward()\n"
SUMMED = "nn.functional.cross_entropy(private(a), b, reduction='sum')"
# The norms of the gradients are smaller: what is clipped hides how it was scaled.
LARGE = ("max_grad_norm=1.0", "max_grad_norm=4.0")


def scaled(folder: Path, mode: str, loss: str, *edits: tuple[str, str]) -> tuple[int, set[str | None]]:
    text = PROGRAM
    for old, new in (
        (LOSS, f"            ({loss}).backward()\n"),
        ('"ghost")\n', f'"{mode}")\n'),
        LARGE,
        *edits,
    ):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (folder / "train.py").write_text(text, encoding="utf-8")
    done = verify("1.6.0", "--checks", "sensitivity", "train.py", cwd=folder)
    return done.status, {rule for _, rule in done.failing}


@pytest.mark.parametrize(
    ("mode", "loss"),
    [
        ("hooks", "criterion(private(a), b) * len(a) / 12"),
        ("hooks", f"{SUMMED} / 12"),
        ("ghost", "criterion(private(a), b) * (len(a) / 12)"),
    ],
)
def test_a_loss_scaled_by_its_batch_couples_the_examples(tmp_path: Path, mode: str, loss: str) -> None:
    assert scaled(tmp_path, mode, loss) == (1, {"DPM124"})


@pytest.mark.parametrize(("scale", "couples"), [("each.detach().max()", True), ("3", False)])
def test_what_scales_the_others_is_seen_where_the_script_clips_them_all(
    tmp_path: Path, scale: str, couples: bool
) -> None:
    each = "(each := nn.functional.cross_entropy(private(a), b, reduction='none'))"
    loss = f"({each} / {scale}).mean()"
    wanted = (1, {"DPM124"}) if couples else (0, set())
    assert scaled(tmp_path, "hooks", loss, ("max_grad_norm=4.0", "max_grad_norm=0.01")) == wanted


@pytest.mark.parametrize(
    ("mode", "loss", "edits"),
    [
        ("hooks", "criterion(private(a), b) * 0.37", ()),
        ("hooks", f"{SUMMED} / 12", (("sigma,\n", "sigma, loss_reduction='sum',\n"),)),
        ("ghost", "criterion(private(a), b) / 12", ()),
    ],
)
def test_a_loss_scaled_by_a_constant_is_right(
    tmp_path: Path, mode: str, loss: str, edits: tuple[tuple[str, str], ...]
) -> None:
    assert scaled(tmp_path, mode, loss, *edits) == (0, set())


def test_a_loop_that_leaves_small_batches_out_is_not_taken_for_one(tmp_path: Path) -> None:
    skips = (
        "            optimizer.zero_grad()\n",
        "            if len(a) < 8: continue\n            optimizer.zero_grad()\n",
    )
    status, rules = scaled(tmp_path, "hooks", "criterion(private(a), b)", skips)
    assert (status, rules) == (0, set())


def test_noise_of_a_generator_of_the_loops_own_is_no_number_of_examples(tmp_path: Path) -> None:
    drawn = "criterion(private(a + 0.1 * torch.tensor(rng.normal(size=a.shape)).float()), b)"
    own = ("import torch\n", "import torch, numpy\nrng = numpy.random.default_rng()\n")
    assert scaled(tmp_path, "hooks", drawn, own) == (0, set())
