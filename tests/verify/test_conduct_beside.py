"""What else is done around the private steps: samplers, layers, losses and writers of the script's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate.report.verification.text import render_text
from tests.verify.conduct import CALL, LOOP, STEP, planted
from tests.verify.warm import verify

pytestmark = [pytest.mark.opacus, pytest.mark.slow]


def test_outputs_in_an_object_of_any_class_are_followed(tmp_path: Path) -> None:
    named = (
        "def train(",
        "from types import SimpleNamespace\n"
        "class Named(nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n        self.inner = model\n"
        "    def forward(self, x): return SimpleNamespace(logits=self.inner(x), kind='logits')\n"
        "def train(",
    )
    loss = ("criterion(private(a), b)", "criterion(private(a).logits, b)")
    done = planted(tmp_path, named, loss, (CALL, 'train(Named(), "hooks")\n'), checks="parity")
    assert done.status == 0, (done.failing, done.stderr[-2000:])
    assert all(c["passed"] for c in done.report["checks"]), done.report["checks"]


def test_batches_of_a_fixed_size_are_no_fault_where_no_epsilon_is_asked_for(tmp_path: Path) -> None:
    fixed = ("noise_multiplier=sigma,", "noise_multiplier=sigma, poisson_sampling=False,")
    done = planted(tmp_path, fixed, ("    print(engine.get_epsilon(1e-5))\n", ""), checks="private-loader")
    assert (done.status, done.check("private-loader")["passed"]) == (0, True)


def test_a_forward_pass_without_hooks_is_named_though_the_criterion_switches_them_on(tmp_path: Path) -> None:
    off = STEP + "            if number == 0:\n                private.disable_hooks()\n"
    fixed = ("noise_multiplier=sigma,", "noise_multiplier=sigma, poisson_sampling=False,")
    done = planted(tmp_path, (STEP, off), fixed, checks="parity")
    assert {rule for _, rule in done.failing} == {"DPM118"}, (done.report, done.stderr[-2000:])


BY_HAND = """
import torch
from opacus import GradSampleModule
from opacus.accountants import RDPAccountant
from opacus.data_loader import DPDataLoader
from opacus.optimizers import DPOptimizer
from torch import nn
from torch.utils.data import TensorDataset
data = TensorDataset(torch.randn(120, 5), torch.randint(0, 2, (120,)))
model = GradSampleModule(nn.Linear(5, 2))
raw = torch.optim.SGD(model.parameters(), lr=0.1)
optimizer = DPOptimizer(raw, noise_multiplier=1.0, max_grad_norm=1.0, expected_batch_size=12)
optimizer.attach_step_hook(RDPAccountant().get_optimizer_hook_fn(0.1))
for x, y in DPDataLoader(data, sample_rate=RATE):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()
"""


@pytest.mark.parametrize(("rate", "failing"), [("0.1", set()), ("0.4", {("logical-batches", "DPM314")})])
def test_the_rate_of_a_loader_made_by_hand_is_held_to_what_is_accounted(
    tmp_path: Path, rate: str, failing: set[tuple[str, str | None]]
) -> None:
    (tmp_path / "train.py").write_text(BY_HAND.replace("RATE", rate), encoding="utf-8")
    done = verify("1.6.0", "--checks", "logical-batches", "train.py", cwd=tmp_path)
    assert done.failing == failing and done.check("logical-batches")["passed"] is not None, done.stderr[
        -2000:
    ]


def test_a_penalty_that_hooks_leave_out_fails(tmp_path: Path) -> None:
    penalty = "(criterion(private(a), b) + 0.1 * sum(p.square().sum() for p in model.parameters()))"
    loss = ("criterion(private(a), b).backward()", f"{penalty}.backward()")
    hooks = (CALL, CALL.replace("ghost", "hooks"))
    done = planted(tmp_path, loss, hooks, checks="parity-clipped-sum")
    assert (done.status, done.failing) == (1, {("parity-clipped-sum", "DPM122")})


def test_batches_of_another_optimizer_are_none_of_the_private_steps(tmp_path: Path) -> None:
    """Each epoch of private steps is followed by one of a second optimizer, on as many batches."""
    more = ("    public = ", "    other = torch.optim.Adam(model[0].parameters())\n    public = ")
    turns = STEP.replace("optimizer", "(optimizer if epoch % 2 == 0 else other)")
    done = planted(tmp_path, (STEP, turns), more, checks="private-step,logical-batches")
    assert done.failing == {("private-step", "DPM123")}


SCALE = """
from opacus.grad_sample import register_grad_sampler, register_norm_sampler
class Scale(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.ones(8))
    def forward(self, x): return x * self.w
@register_grad_sampler(Scale)
def gradients(layer, activations, backprops): return {layer.w: activations[0] * backprops}
"""
WRONG_NORMS = """
@register_norm_sampler(Scale)
def norms(layer, activations, backprops): return {layer.w: 2 * (activations[0] * backprops).norm(dim=1)}
"""


@pytest.mark.parametrize(
    ("norms", "failing"),
    [
        (WRONG_NORMS, {("parity-norms", None)}),
        pytest.param("", set(), id="without one, Opacus takes the norms of its gradients"),
    ],
)
def test_a_sampler_of_the_project_is_blamed_for_its_norms(
    tmp_path: Path, norms: str, failing: set[tuple[str, str | None]]
) -> None:
    layer = ("nn.ReLU(), nn", "Scale(), nn.ReLU(), nn")
    done = planted(tmp_path, ("torch.set_num_threads(1)\n", SCALE + norms), layer, checks="parity-norms")
    assert (done.status, done.failing) == (int(bool(failing)), failing), done.stderr[-2000:]
    said = "sampler, which the project has registered" in done.check("parity-norms")["detail"]
    assert said == bool(failing)


def test_layers_that_begin_to_train_late_move_the_sum(tmp_path: Path) -> None:
    frozen = ("    engine = PrivacyEngine", "    model[0].requires_grad_(False)\n    engine = PrivacyEngine")
    late = (LOOP, LOOP + "            if number == 1:\n                model[0].requires_grad_(True)\n")
    done = planted(tmp_path, frozen, late, checks="sensitivity", steps="3")
    assert ("sensitivity", "DPM119") in done.failing, (done.report, done.stderr[-2000:])
    assert done.check("sensitivity")["value"] > 1.01


def test_bare_steps_are_a_verdict_though_the_accountant_then_raises(tmp_path: Path) -> None:
    done = planted(tmp_path, (STEP, "            raw.step()\n"), ('accountant="rdp"', 'accountant="prv"'))
    assert done.failing == {("private-step", "DPM120")}, done.stderr[-2000:]
    assert "ValueError" in done.report["evidence"]["private_runs"]["error"]


@pytest.mark.parametrize("rows", ["x, x", "x, x + 0.01"])
def test_an_example_in_several_rows_is_named(tmp_path: Path, rows: str) -> None:
    twice = ("criterion(private(a), b)", f"criterion(private(torch.cat([{rows}])), torch.cat([b, b]))")
    done = planted(tmp_path, (twice[0], twice[1].replace("x", "a")), checks="parity,sensitivity")
    assert done.failing == {("sensitivity", "DPM124")}, done.stderr[-2000:]
    assert "in several" in done.check("sensitivity")["detail"]


def test_another_optimizer_alone_is_a_verdict(tmp_path: Path) -> None:
    other = ("    public = ", "    other = torch.optim.Adam(model.parameters())\n    public = ")
    done = planted(tmp_path, other, (STEP, "            other.step()\n"))
    assert done.failing == {("private-step", "DPM123")}, done.stderr[-2000:]


def test_fewer_examples_are_left_out_where_the_sums_are_those_of_the_oracle(tmp_path: Path) -> None:
    large = ("batch_size=12", "batch_size=40")
    mean = ("criterion(private(a), b)", "criterion(private(a - a.mean(0)), b)")
    for edits, tried in (((large,), "(2 of"), ((large, mean), "")):
        detail = planted(tmp_path, *edits, checks="parity,sensitivity").check("sensitivity")["detail"]
        assert tried in detail if tried else "(2 of" not in detail


WRITES = STEP + "            with torch.no_grad():\n                model[2].bias.{}\n"


@pytest.mark.parametrize(
    ("write", "status"),
    [("clamp_(-0.1, 0.1)", 0), ("copy_(torch.bincount(b, minlength=3).float())", 1)],
)
def test_what_is_written_between_steps_may_not_depend_on_an_example(
    tmp_path: Path, write: str, status: int
) -> None:
    done = planted(tmp_path, (STEP, WRITES.format(write)), checks="private-step")
    assert done.status == status, (done.report, done.stderr[-2000:])
    assert done.failing == ({("private-step", "DPM123")} if status else set())
    assert "written" in done.check("private-step")["detail"]


@pytest.mark.parametrize(("length", "failing"), [(120, set()), (60, {("private-loader", "DPM303")})])
def test_a_sampler_is_missed_only_where_it_chooses(
    tmp_path: Path, length: int, failing: set[tuple[str, str | None]]
) -> None:
    order = (
        "class Order(torch.utils.data.Sampler):\n"
        f"    def __len__(self):\n        return {length}\n"
        f"    def __iter__(self):\n        return iter(torch.randperm({length}).tolist())\n"
        "def train("
    )
    sampler = ("batch_size=12)", "batch_size=12, sampler=Order())")
    assert planted(tmp_path, ("def train(", order), sampler, checks="private-loader").failing == failing


def test_batch_statistics_are_judged_and_break_nothing(tmp_path: Path) -> None:
    norm = (
        "nn.Linear(6, 8), nn.ReLU()",
        "nn.Linear(6, 8), nn.BatchNorm1d(8, affine=False), nn.ReLU()",
    )
    done = planted(tmp_path, norm, (CALL, 'train(model, "hooks")\n'), checks="parity,sensitivity")
    assert done.status == 1, done.stderr[-2000:]
    assert ("sensitivity", "DPM313") in done.failing


def test_records_drawn_alike_in_every_process_are_seen_whatever_they_hold(tmp_path: Path) -> None:
    own = ("x = torch.randn(120, 6, generator=g)", "x = torch.randn(120, 6)")
    bare = ("DataLoader(data, batch_size=12)", "DataLoader(data, batch_size=12, generator=torch.Generator())")
    done = planted(tmp_path, own, bare, checks="noise-fresh")
    assert done.failing == {("noise-fresh", "DPM202")}, done.stderr[-2000:]


def test_the_report_has_the_epsilon_that_the_script_was_told_last(tmp_path: Path) -> None:
    done = planted(tmp_path, checks="accounting")
    engine = done.report["engines"][0]
    assert engine["delta"] == 1e-5 and f"epsilon {engine['epsilon']:.3g} at" in render_text(done.report)
    assert engine["epsilon"] == pytest.approx(float(done.stderr.split()[0]))
