"""What reaches a private step or its epsilon from elsewhere: earlier batches, teachers, rewritten counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.verify.conduct import CALL, STEP, planted

pytestmark = [pytest.mark.opacus, pytest.mark.slow]

BACKWARD = "            criterion(private(a), b).backward()\n"
HOOKS = (CALL, 'train(model, "hooks")\n')
BEGIN = "    for epoch"
KEEP = "            out = private(a)\n            loss = criterion(out, b){}\n            loss.backward()\n"


@pytest.mark.parametrize(
    ("before", "loss", "after", "kept"),
    [
        pytest.param(
            "    bank = torch.zeros(0, 3)\n",
            " + nn.functional.softplus(out @ bank.t()).sum(1).mean()",
            "            bank = torch.cat([out.detach(), bank])[:40]\n",
            True,
            id="memory bank",
        ),
        pytest.param(
            "    scale = 1.0\n", " * scale", "            scale = 2 / (1 + loss.item())\n", True, id="a loss"
        ),
        pytest.param(
            "    mean = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))\n",
            " + (out - mean(a).detach()).square().mean()",
            "            for p, q in zip(mean.parameters(), model.parameters()): p.data.lerp_(q.data, 0.5)\n",
            False,
            id="a mean of the noisy weights",
        ),
        pytest.param(
            "    worst = 0.0\n",
            "",
            "            worst = max(worst, loss.item())\n",
            False,
            id="a loss that is told",
        ),
    ],
)
def test_what_is_kept_from_batch_to_batch_moves_later_steps(
    tmp_path: Path, before: str, loss: str, after: str, kept: bool
) -> None:
    edits = (HOOKS, (BEGIN, before + BEGIN), (BACKWARD, KEEP.format(loss)), (STEP, STEP + after))
    done = planted(tmp_path, *edits, checks="parity,sensitivity")
    assert done.failing == ({("sensitivity", "DPM124")} if kept else set()), done.stderr[-2000:]
    assert ("kept from batch to batch" in done.check("sensitivity")["detail"]) == kept


TEACHER = """    teacher = nn.Linear(6, 3)
    plain = torch.optim.Adam(teacher.parameters(), lr=0.1)
    for a, b in {}:
        plain.zero_grad()
        nn.functional.cross_entropy(teacher(a), b).backward()
        plain.step()
"""
OTHERS = "[(torch.randn(12, 6), torch.arange(12) % 3)] * 5"
LEARN = BACKWARD.replace(", b)", ", teacher(a).detach().softmax(1))")


@pytest.mark.parametrize(
    ("records", "learn", "peek", "status"),
    [
        pytest.param("public", LEARN, "", 1, id="taught by a teacher of the same records"),
        pytest.param(OTHERS, LEARN, "", 0, id="of others"),
        pytest.param(
            OTHERS, LEARN, "    print(len(next(iter(public))[0]))\n", 0, id="of others, after a look"
        ),
        pytest.param("public", BACKWARD, "", 0, id="beside a baseline"),
    ],
)
def test_a_teacher_may_not_have_seen_the_records_without_privacy(
    tmp_path: Path, records: str, learn: str, peek: str, status: int
) -> None:
    made = "    made = engine.make_private(\n"
    edits = (HOOKS, (made, peek + TEACHER.format(records) + made), (BACKWARD, learn))
    done = planted(tmp_path, *edits, checks="private-step")
    assert done.status == status, (done.report, done.stderr[-2000:])
    assert done.failing == ({("private-step", "DPM123")} if status else set())
    detail = done.check("private-step")["detail"]
    assert ("labels or features" in detail) == (records == "public" and not status)


ASKED = "    print(engine.get_epsilon(1e-5))\n"


@pytest.mark.parametrize(
    ("edits", "failing"),
    [
        (
            (
                ASKED,
                "    engine.accountant.history = [(9.0, q, n) for _, q, n in engine.accountant.history]\n"
                + ASKED,
            ),
            True,
        ),
        ((ASKED, "    engine.accountant.history.clear()\n" + ASKED), True),
        ((ASKED, "    engine.accountant.load_state_dict(engine.accountant.state_dict())\n" + ASKED), False),
        ((ASKED, "    engine.accountant.history.append((1.0, 0.1, 100))\n" + ASKED), False),
    ],
)
def test_the_accountant_holds_what_it_was_told_when_epsilon_is_asked_for(
    tmp_path: Path, edits: tuple[str, str], failing: bool
) -> None:
    done = planted(tmp_path, edits, HOOKS, checks="accounting")
    assert done.failing == ({("accounting", "DPM307")} if failing else set()), done.stderr[-2000:]


def test_a_new_model_may_begin_with_an_empty_accountant(tmp_path: Path) -> None:
    text = 'engine = PrivacyEngine(accountant="rdp")\n'
    again = (
        CALL,
        'for _ in range(2):\n    train(nn.Linear(6, 3), "hooks", 1)\n    engine.accountant.history = []\n',
    )
    done = planted(
        tmp_path, ("    " + text, ""), ("def train", text + "def train"), again, checks="accounting"
    )
    assert done.failing == set(), done.report


def test_a_clipping_norm_that_is_a_tensor_is_told(tmp_path: Path) -> None:
    adaptive = (
        "max_grad_norm=1.0,",
        'max_grad_norm=1.0, clipping="adaptive", target_unclipped_quantile=0.5, clipbound_learning_rate=0.2, '
        "min_clipbound=0.1, max_clipbound=9.0, unclipped_num_std=2.0,",
    )
    done = planted(tmp_path, adaptive, HOOKS, checks="parity,noise-std")
    assert (done.status, done.failing) == (0, set()), done.stderr[-2000:]
    assert done.check("noise-std")["passed"] and done.report["engines"][0]["last"]["max_grad_norm"] > 0
