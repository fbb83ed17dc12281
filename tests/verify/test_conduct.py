"""What is done around the private steps: right programs raise no alarm, each harm fails by its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate.report.verification.text import render_text
from tests.verify.conduct import BARE, BOTH, CALL, LOOP, STEP, WATCHED, planted

pytestmark = [pytest.mark.opacus, pytest.mark.slow]


@pytest.mark.parametrize(
    ("edits", "checks"),
    [
        pytest.param((), "", id="as it is"),
        pytest.param(
            ((LOOP, BOTH.format("(a, b), _", "loader, public")),), WATCHED, id="beside another loader"
        ),
        pytest.param(
            ((CALL, 'import time\ntorch.manual_seed(time.time_ns() % 2**31)\ntrain(model, "hooks")\n'),),
            "",
            id="clock",
        ),
        pytest.param(
            (
                (
                    "            criterion(private(a), b)",
                    "            a = a + 0.1 * torch.randn_like(a)\n            criterion(private(a), b)",
                ),
            ),
            "",
            id="augmented",
        ),
        pytest.param(((LOOP, LOOP.replace("loader", "list(loader)")),), WATCHED, id="batches fetched ahead"),
        pytest.param(
            (
                (
                    STEP,
                    STEP + "            private.eval(); [private(v) for v, _ in public]; private.train()\n",
                ),
            ),
            WATCHED,
            id="evaluated between",
        ),
        pytest.param(
            (
                (
                    "    for epoch",
                    "    rate = torch.optim.lr_scheduler.StepLR(raw, 1)\n    for epoch",
                ),
                (STEP, STEP + "            rate.step()\n"),
            ),
            WATCHED,
            id="the wrapped optimizer is scheduled",
        ),
        pytest.param(
            (
                (
                    "    for epoch",
                    "    adds = optimizer.add_noise\n"
                    "    optimizer.add_noise = lambda: (adds(), print(epoch))\n"
                    "    for epoch",
                ),
            ),
            WATCHED + ",noise-fresh",
            id="noise looked at",
        ),
    ],
)
def test_right_program_passes(tmp_path: Path, edits: tuple[tuple[str, str], ...], checks: str) -> None:
    done = planted(tmp_path, *edits, checks=checks)
    assert done.status == 0, (done.failing, done.stderr[-2000:])
    assert done.check("private-loader")["passed"] is True
    assert done.check("accounting")["value"] == 20
    assert "watched to the script's end" in " ".join(render_text(done.report).split())


KEPT = """
    import copy, io
    torch.save(private, io.BytesIO())
    copy.deepcopy(private).eval()(x)
"""
WRAPPED = """
from opacus.grad_sample import GradSampleModule
from opacus.validators import ModuleValidator
train(ModuleValidator.fix(GradSampleModule(model)), "hooks")
"""


@pytest.mark.parametrize(
    "edit",
    [("    for epoch in", f"{KEPT}    for epoch in"), (CALL, WRAPPED)],
    ids=["saved", "wrapped and copied"],
)
def test_a_wrapped_model_may_be_saved_and_copied(tmp_path: Path, edit: tuple[str, str]) -> None:
    done = planted(tmp_path, edit)
    assert done.status == 0, done.stderr[-2000:]
    assert done.check("parity-clipped-sum")["passed"] is True


def test_a_compiled_model_is_judged_as_eager_code(tmp_path: Path) -> None:
    compiled = ("    for epoch", "    private = torch.compile(private, backend=print)\n    for epoch")
    done = planted(tmp_path, compiled)
    assert done.status == 0, (done.failing, done.stderr[-2000:])
    said = "judged as eager code, without torch.compile (train.py:22)"
    assert said in " ".join(render_text(done.report).split())


def test_no_noise_at_all_is_said_and_not_failed(tmp_path: Path) -> None:
    done = planted(
        tmp_path,
        (CALL, 'train(model, "ghost", sigma=0)\n'.replace("print", "print")),
        ("    print(engine.get_epsilon(1e-5))\n", ""),
    )
    assert done.status == 0, (done.failing, done.stderr[-2000:])
    assert done.check("noise-std")["passed"] is None and done.check("noise-fresh")["passed"] is None
    assert render_text(done.report).startswith("Nothing is private")


@pytest.mark.parametrize(
    ("edits", "check", "rule"),
    [
        ((LOOP, LOOP.replace("loader", "public")), "private-loader", "DPM301"),
        ((LOOP, BOTH.format("(a, b), _", "public, loader")), "private-loader", "DPM301"),
        ((STEP, "            (optimizer if number % 2 else raw).step()\n"), "private-step", "DPM120"),
        ((LOOP, LOOP.replace("loader", "[b for b in loader for _ in range(3)]")), "private-loader", "DPM308"),
        ((STEP, STEP + "            raw.step()\n"), "private-step", "DPM120"),
        ((STEP, f"            optimizer.add_noise = lambda: {BARE}\n" + STEP), "noise-std", "DPM208"),
        (
            (
                STEP,
                f"            if epoch:\n                type(optimizer).add_noise = lambda self: {BARE}\n"
                + STEP,
            ),
            "noise-std",
            "DPM208",
        ),
        (
            (
                "    for epoch",
                "    import opacus.optimizers.optimizer_fast_gradient_clipping as o\n"
                "    import opacus.optimizers.optimizer as base\n"
                "    drawn = base._generate_noise\n"
                "    base._generate_noise = o._generate_noise = lambda *a, **k: 0.5 * drawn(*a, **k)\n"
                "    for epoch",
            ),
            "noise-std",
            "DPM208",
        ),
        ((STEP, "            optimizer.noise_multiplier = 0.0\n" + STEP), "noise-std", "DPM208"),
        ((STEP, "            optimizer.noise_multiplier = 1.0 - epoch\n" + STEP), "noise-std", "DPM208"),
        ((STEP, "            other.step()\n" + STEP), "private-step", "DPM123"),
        ((STEP, STEP + "            torch.manual_seed(3)\n"), "noise-fresh", "DPM205"),
        (
            (
                "    for epoch",
                "    kept = [torch.randn_like(p) for p in optimizer.params]\n"
                "    def add_noise():\n"
                "        for p, z in zip(optimizer.params, kept):\n"
                "            p.grad = (p.summed_grad + z).view_as(p)\n"
                "    optimizer.add_noise = add_noise\n"
                "    for epoch",
            ),
            "noise-fresh",
            "DPM205",
        ),
        (
            (
                CALL,
                'for turn in range(3):\n    model = train(model, "hooks", 1).to_standard_module()\n',
            ),
            "accounting",
            "DPM304",
        ),
        ((STEP, "            optimizer.step_hook = None\n" + STEP), "accounting", "DPM315"),
        ((LOOP, "        engine.accountant.history = []\n" + LOOP), "accounting", "DPM307"),
        (
            (
                LOOP,
                "        engine.accountant = type(engine.accountant)()\n"
                "        optimizer.attach_step_hook(engine.accountant.get_optimizer_hook_fn(0.1))\n" + LOOP,
            ),
            "accounting",
            "DPM307",
        ),
        (
            ("noise_multiplier=sigma,", "noise_multiplier=sigma, poisson_sampling=False,"),
            "private-loader",
            "DPM308",
        ),
        (
            (STEP, "            optimizer.max_grad_norm = 0.5 if epoch else 1.0\n" + STEP),
            "parity-clipped-sum",
            "DPM116",
        ),
        (
            (
                "            criterion(private(a), b)",
                "            a = 0.6 * a + 0.4 * a.flip(0)\n            criterion(private(a), b)",
            ),
            "sensitivity",
            "DPM124",
        ),
        (
            (
                "            criterion(private(a), b)",
                "            criterion = nn.CrossEntropyLoss() if epoch else criterion\n"
                "            criterion(private(a), b)",
            ),
            "parity-clipped-sum",
            "DPM103",
        ),
    ],
)
def test_harm_fails_by_name(tmp_path: Path, edits: tuple[str, str], check: str, rule: str) -> None:
    more = (
        [("    public = ", "    other = torch.optim.Adam(model[0].parameters())\n    public = ")]
        if "other" in edits[1]
        else []
    )
    done = planted(tmp_path, edits, *more, checks=f"{WATCHED},{check}")
    assert done.status == 1, done.stderr[-2000:]
    assert (check, rule) in done.failing
    assert {r for _, r in done.failing} == {rule}
