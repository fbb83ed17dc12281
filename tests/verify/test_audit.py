"""``verify --audit`` on real releases: what a right run gives away stays below what its accountant says, what
a faulty one gives away does not.
"""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from dpmigrate.report.verification.page import render_html
from dpmigrate.report.verification.text import render_text
from tests.opacus_releases import KNOWN
from tests.verify.running import HERE, Verified
from tests.verify.warm import verify

pytestmark = [pytest.mark.opacus, pytest.mark.slow]

NO_NOISE = (
    "import opacus.optimizers.optimizer as dp\n"
    "dp._generate_noise = lambda std, reference, **_: 0 * reference\n"
)

UNFROZEN = """
import torch
from opacus import PrivacyEngine
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 4))
model[0].requires_grad_(False)
data = TensorDataset(torch.randn(96, 12), torch.randint(0, 4, (96,)))
model, optimizer, criterion, loader = PrivacyEngine().make_private(
    module=model,
    optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
    criterion=nn.CrossEntropyLoss(),
    data_loader=DataLoader(data, batch_size=48),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
    grad_sample_mode="ghost",
)
for epoch in range(2):
    for x, y in loader:
        optimizer.zero_grad()
        criterion(model(x), y).backward()
        optimizer.step()
    for p in model.parameters():
        p.requires_grad_(True)
"""


def audited(version: str, script: str, *arguments: str, cwd: Path = HERE, steps: int = 2) -> Verified:
    options = ("--audit", "--checks", "noise-std", "--steps", str(steps))
    return verify(version, *options, script, *arguments, cwd=cwd)


@pytest.mark.parametrize(
    ("version", "script", "steps"),
    [(KNOWN[-1], "train_hooks.py", 1), (KNOWN[-1], "train_ghost.py", 2), ("1.5.2", "train_old.py", 1)],
)
def test_right_run_gives_no_more_away_than_its_accountant_says(version: str, script: str, steps: int) -> None:
    done = audited(version, script, steps=steps)
    assert done.status == 0, (done.report, done.stderr[-2000:])
    check, (audit,) = done.check("audit"), done.report["audit"]
    assert check["passed"] is True
    # The worst example moves the sum by C, and enough noise was drawn to see most of what it gives away.
    assert 0.5 * check["limit"] < check["value"] < check["limit"]
    assert check["value"] == audit["epsilon_lower_bound"]
    assert check["limit"] == audit["epsilon_accountant"]
    assert audit["confidence"] == pytest.approx(0.999)
    assert [step["step"] for step in audit["steps"]] == [1, 2][:steps]
    for step in audit["steps"]:
        assert step["move"] == pytest.approx(1, abs=2e-3)
        assert sum(step["draws"]) >= 1000
        # Guessing by the middle between two Gaussians one standard deviation apart.
        share = 0.5 * math.erfc(0.5 / math.sqrt(2))
        allowed = 5 * math.sqrt(share * (1 - share) / sum(step["draws"]))
        assert sum(step["wrong"]) / sum(step["draws"]) == pytest.approx(share, abs=allowed)


def test_memory_manager_fault_gives_more_away() -> None:
    exceeds(audited("1.5.2", "train_old.py", "--", "in-place", steps=1), "DPM101", move=1.9)


def test_unwrapped_loss_gives_more_away() -> None:
    exceeds(audited(KNOWN[-1], "train_ghost.py", "--", "unwrapped", steps=1), "DPM103", move=5)


def test_a_canary_shows_a_missing_clipping_that_no_example_shows(tmp_path: Path) -> None:
    """Bounded activations and a mean: whatever an example is, it moves the sum by a tenth of C."""
    script = UNFROZEN.replace("nn.ReLU", "nn.Tanh").replace("model[0].requires_grad_(False)\n", "")
    (tmp_path / "train.py").write_text(script)
    done = audited(KNOWN[-1], "train.py", cwd=tmp_path, steps=1)
    assert done.check("audit")["passed"] is True, done.stderr[-2000:]
    assert done.report["audit"][0]["steps"][0]["move"] == pytest.approx(1, abs=2e-3)
    loss = "nn.functional.cross_entropy(model(x), y)"
    (tmp_path / "train.py").write_text(script.replace("criterion(model(x), y)", loss))
    done = audited(KNOWN[-1], "train.py", cwd=tmp_path, steps=1)
    exceeds(done, "DPM103", move=10)
    assert "its gradient at the model's output" in done.check("audit")["detail"]


def test_missing_noise_gives_everything_away(tmp_path: Path) -> None:
    source = (HERE / "train_hooks.py").read_text(encoding="utf-8")
    (tmp_path / "train.py").write_text(source.replace("import torch\n", f"import torch\n{NO_NOISE}", 1))
    done = audited(KNOWN[-1], "train.py", cwd=tmp_path, steps=1)
    exceeds(done, "DPM208", move=0.9)
    assert all(step["wrong"] == [0, 0] for step in done.report["audit"][0]["steps"])


def test_unfrozen_layer_gives_more_away(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(UNFROZEN)
    exceeds(audited(KNOWN[-1], "train.py", cwd=tmp_path, steps=4), "DPM119", move=1.3)


LOOP = """
import os
import torch
from opacus import PrivacyEngine
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

def train(rank=0, wrap=lambda model: model):
    torch.manual_seed(rank)
    model = wrap(nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)))
    data = TensorDataset(torch.randn(40, 4), torch.randint(0, 3, (40,)))
    model, optimizer, loader = PrivacyEngine().make_private(
        module=model,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
        data_loader=DataLoader(data, batch_size=10),
        noise_multiplier=1.0,
        max_grad_norm=1.0,
    )
    for x, y in loader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
"""

SPAWNED = """
def work(rank, processes):
    store = f"file://{os.getcwd()}/store-{os.getppid()}"
    torch.distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=processes)
    from opacus.distributed import DifferentiallyPrivateDistributedDataParallel
    train(rank, DifferentiallyPrivateDistributedDataParallel)

torch.multiprocessing.spawn(work, args=(2,), nprocs=2)
"""


@pytest.mark.parametrize(
    ("model_sees", "end", "said"),
    [
        ("x + torch.randn_like(x)", "train()", "are held, and known to the attacker"),
        ("x + 0.1 * torch.rand(len(x), 1)", "train()", "are held, and known to the attacker"),
        ("x", SPAWNED, "the first of 2 processes"),
    ],
)
def test_loops_that_draw_and_processes_are_attacked(
    tmp_path: Path, model_sees: str, end: str, said: str
) -> None:
    (tmp_path / "train.py").write_text(LOOP.replace("model(x)", f"model({model_sees})") + end)
    done = audited(KNOWN[-1], "train.py", cwd=tmp_path, steps=1)
    check = done.check("audit")
    assert done.status == 0 and check["passed"] is True, (done.report, done.stderr[-2000:])
    assert 0.5 * check["limit"] < check["value"] and said in check["detail"]
    assert done.report["audit"][0]["steps"][0]["move"] == pytest.approx(1, abs=2e-3)


def test_a_permutation_cannot_be_held(tmp_path: Path) -> None:
    mixed = "model(0.7 * x + 0.3 * x[torch.randperm(len(x))])"
    (tmp_path / "train.py").write_text(LOOP.replace("model(x)", mixed) + "train()")
    check = audited(KNOWN[-1], "train.py", cwd=tmp_path, steps=1).check("audit")
    assert check["passed"] is None and "permutation" in check["detail"]


def test_adaptive_clipping_is_attacked_at_the_norm_of_the_step(tmp_path: Path) -> None:
    engine = (
        "from opacus.utils.adaptive_clipping.adaptive_clipping_utils import PrivacyEngineAdaptiveClipping\n"
    )
    ghost = (
        'criterion=nn.CrossEntropyLoss(), grad_sample_mode="ghost", min_clipbound=0.01, max_clipbound=9.0,\n'
        "        max_grad_norm=1.0"
    )
    text = LOOP.replace("from opacus import PrivacyEngine\n", engine).replace(
        "PrivacyEngine()", "PrivacyEngineAdaptiveClipping()"
    )
    text = text.replace("batch_size=10", "batch_size=20").replace("max_grad_norm=1.0", ghost)
    text = text.replace("optimizer, loader =", "optimizer, criterion, loader =")
    text = text.replace("nn.functional.cross_entropy(model(x), y)", "criterion(model(x), y)")
    (tmp_path / "train.py").write_text(text + "train()")
    for version, passed in (("1.5.4", True), ("1.6.0", False)):
        done = audited(version, "train.py", cwd=tmp_path, steps=1)
        assert done.check("audit")["passed"] is passed, (done.report, done.stderr[-2000:])


def exceeds(done: Verified, rule: str, move: float) -> None:
    """The audit fails, names the fault, and says how far the example moves what receives the noise."""
    assert done.status == 1, (done.report, done.stderr[-2000:])
    check, (audit,) = done.check("audit"), done.report["audit"]
    assert check["passed"] is False and check["rule"] == rule
    assert check["value"] > 1.3 * check["limit"]
    assert max(step["move"] for step in audit["steps"]) >= move
    text, page = render_text(done.report), render_html(done.report)
    assert "guesses whether it was there were wrong" in " ".join(text.split())
    assert "An attack on the steps" in page and f"example {audit['example']} of the data" in page


def test_options_that_an_audit_does_not_go_with(tmp_path: Path) -> None:
    (tmp_path / "made.py").write_text(
        "import torch\n"
        "def model():\n"
        "    batch = torch.ones(4, 2), torch.arange(4) % 2\n"
        "    return torch.nn.Linear(2, 2), torch.nn.CrossEntropyLoss(), batch\n"
    )
    for options, said in (
        (("--factory", "made:model"), "--audit needs a program that trains"),
        (("--compare", "hooks", "train.py"), "--audit does not go with --compare"),
    ):
        done = verify(KNOWN[-1], "--audit", *options, cwd=tmp_path)
        assert done.status == 2
        assert said in " ".join(done.stderr.split())
