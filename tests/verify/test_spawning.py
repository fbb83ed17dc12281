"""Scripts that start processes of their own, in each of the ways that there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.verify.warm import verify

pytestmark = [pytest.mark.opacus, pytest.mark.slow]

PROGRAM = """
import os
import torch
import torch.multiprocessing as mp
from opacus import PrivacyEngine
from opacus.distributed import DifferentiallyPrivateDistributedDataParallel as Private
from torch.utils.data import DataLoader, TensorDataset

def train(group, fault=""):
    x = torch.randn(64, 4, generator=torch.Generator().manual_seed(1))
    model = torch.nn.Linear(4, 2)
    model = Private(model) if group else model
    raw = torch.optim.SGD(model.parameters(), lr=0.1)
    model, optimizer, loader = PrivacyEngine(accountant="rdp").make_private(
        module=model, optimizer=raw, noise_multiplier=1.0, max_grad_norm=1.0,
        data_loader=DataLoader(TensorDataset(x, (x[:, 0] > 0).long()), batch_size=16))
    for number, (a, b) in enumerate(loader):
        if fault == "raises" and number == 1:
            raise RuntimeError("no data left")
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(a), b).backward()
        (raw if fault == "raw" and number % 2 else optimizer).step()

def rank(number, store, fault="", second="", world=2):
    # No port that another test could take.
    torch.distributed.init_process_group("gloo", f"file://{store}", rank=number, world_size=world)
    train(True, second if number else fault)
    torch.distributed.destroy_process_group()

class Job(mp.get_context("spawn").Process):
    def run(self):
        train(False)

def start(*jobs):
    for job in jobs:
        job.start()
        job.join()

if __name__ == "__main__":
    store = os.path.abspath("store")
    Spawned = mp.get_context("spawn").Process
"""


def verified(folder: Path, *lines: str):  # type: ignore[no-untyped-def]
    text = PROGRAM + "".join(f"    {line}\n" for line in lines)
    (folder / "train.py").write_text(text, encoding="utf-8")
    return verify("1.6.0", "--checks", "private-step,accounting", "train.py", cwd=folder)


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(("mp.spawn(rank, args=(store,), nprocs=2, daemon=True)",), id="spawn"),
        pytest.param(
            (
                "context = mp.spawn(rank, args=(store, '', '', 1), nprocs=1, join=False)",
                "while not context.join(): pass",
            ),
            id="spawn, joined later",
        ),
        pytest.param(
            (
                "jobs = [mp.Process(target=rank, args=(number, store)) for number in range(2)]",
                "for job in jobs: job.start()",
                "for job in jobs: job.join()",
            ),
            id="Process",
        ),
        pytest.param(("start(Spawned(target=train, args=(False,)))",), id="spawned Process"),
        pytest.param(("start(Job())",), id="subclass"),
    ],
)
def test_every_way_of_starting_is_followed(tmp_path: Path, lines: tuple[str, ...]) -> None:
    done = verified(tmp_path, *lines)
    assert done.status == 0, (done.failing, done.stderr[-2000:])
    assert done.check("accounting")["value"] == 4


def test_a_fault_in_the_second_of_two_processes_is_named(tmp_path: Path) -> None:
    start = "start(Spawned(target=train, args=(False,)), Spawned(target=train, args=(False, 'raw')))"
    done = verified(tmp_path, start)
    assert done.failing == {("private-step", "DPM120")}
    assert done.check("accounting", 1)["value"] == 2


@pytest.mark.parametrize(
    "line",
    [
        "mp.spawn(rank, args=(store, 'raises', '', 1), nprocs=1)",
        "start(Spawned(target=train, args=(False, 'raises')))",
    ],
)
def test_what_a_process_raises_is_what_the_script_raised(tmp_path: Path, line: str) -> None:
    done = verified(tmp_path, line)
    assert done.status == 2
    assert "the script raised RuntimeError: no data left (train.py:19)" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("line", ["torch.distributed.init_process_group('gloo')", "os.environ['LOCAL_RANK']"])
def test_a_script_for_a_launcher_is_sent_there(tmp_path: Path, line: str) -> None:
    done = verified(tmp_path, line)
    assert done.status == 2
    assert "torchrun --nproc_per_node 2 -m dpmigrate verify" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("does", ["evaluates", "trains"])
def test_a_process_forked_behind_the_training_tells_of_its_own_steps_alone(tmp_path: Path, does: str) -> None:
    more = """
def again():
    model.eval()
    print(model(data.dataset[0][0]))
    if what == "trains":
        fit()
def fit():
    model.train()
    for a, b in data:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(a), b).backward()
        optimizer.step()
what = "WHAT"
x = torch.randn(64, 4)
model = torch.nn.Linear(4, 2)
model, optimizer, data = PrivacyEngine(accountant="rdp").make_private(
    module=model, optimizer=torch.optim.SGD(model.parameters(), lr=0.1), noise_multiplier=1.0,
    max_grad_norm=1.0, data_loader=DataLoader(TensorDataset(x, (x[:, 0] > 0).long()), batch_size=16))
fit()
start(mp.get_context("fork").Process(target=again))
""".replace("WHAT", does)
    text = PROGRAM[: PROGRAM.index("if __name__")] + more
    (tmp_path / "train.py").write_text(text, encoding="utf-8")
    done = verify("1.6.0", "--checks", "noise-fresh,accounting", "train.py", cwd=tmp_path)
    assert (done.status, done.failing) == (0, set()), (done.report, done.stderr[-2000:])
    assert [e["watched_steps"] for e in done.report["engines"]] == [4, 4][: 1 + (does == "trains")]


def test_what_processes_have_shown_counts_where_the_script_leaves_no_word(tmp_path: Path) -> None:
    done = verified(tmp_path, "start(Spawned(target=train, args=(False,)))", "os.kill(os.getpid(), 9)")
    assert done.status == 0, done.stderr[-2000:]
    assert done.report["evidence"]["private_runs"]["script"] == "timed out"


def test_processes_of_a_group_may_train_models_of_their_own(tmp_path: Path) -> None:
    """As clients do that average what they have learnt: none has a share of the other's batches."""
    (tmp_path / "train.py").write_text(
        PROGRAM.replace("train(True, second if number else fault)", "train(False)")
        + "    mp.spawn(rank, args=(store,), nprocs=2)\n",
        encoding="utf-8",
    )
    done = verify("1.6.0", "--checks", "accounting,logical-batches,private-loader", "train.py", cwd=tmp_path)
    assert (done.status, done.failing) == (0, set())


def test_torchs_data_parallel_around_a_private_model_synchronises_nothing(tmp_path: Path) -> None:
    call = "        data_loader=DataLoader(TensorDataset(x, (x[:, 0] > 0).long()), batch_size=16))\n"
    text = PROGRAM.replace(call, call + "    model = torch.nn.parallel.DistributedDataParallel(model)\n")
    text = text.replace("train(True, second if number else fault)", "train(False)")
    (tmp_path / "train.py").write_text(
        text + "    mp.spawn(rank, args=(store,), nprocs=2)\n", encoding="utf-8"
    )
    done = verify("1.6.0", "--checks", "accounting,parity-step,logical-batches", "train.py", cwd=tmp_path)
    assert (done.status, done.failing) == (1, {("parity-step", "DPM312")})


def test_processes_that_all_go_over_the_same_records_are_named(tmp_path: Path) -> None:
    text = PROGRAM.replace("noise_multiplier=1.0,", "noise_multiplier=1.0, poisson_sampling=False,")
    text = text.replace(
        "    model = torch.nn.Linear(4, 2)\n", "    torch.manual_seed(3)\n    model = torch.nn.Linear(4, 2)\n"
    )
    (tmp_path / "train.py").write_text(
        text + "    mp.spawn(rank, args=(store,), nprocs=2)\n", encoding="utf-8"
    )
    done = verify("1.6.0", "--checks", "accounting,logical-batches,private-loader", "train.py", cwd=tmp_path)
    assert (done.status, {rule for _, rule in done.failing}) == (1, {"DPM316"})


@pytest.mark.parametrize(
    ("records", "rule"),
    [("whole", {"DPM316"}), ("torch.utils.data.Subset(whole, range(number, 64, 2))", set())],
)
def test_processes_with_seeds_of_their_own_go_over_the_same_records_or_over_shares(
    tmp_path: Path, records: str, rule: set[str]
) -> None:
    """A share that is dealt out by hand is sampled at the rate of its own loader, as it is accounted."""
    data = "TensorDataset(x, (x[:, 0] > 0).long())"
    text = PROGRAM.replace("noise_multiplier=1.0,", "noise_multiplier=1.0, poisson_sampling=False,")
    text = text.replace(
        f"DataLoader({data}, batch_size=16)", f"DataLoader({records}, batch_size=8, shuffle=True)"
    )
    made = f"    number = torch.distributed.get_rank()\n    torch.manual_seed(number)\n    whole = {data}\n"
    text = text.replace("    model = torch.nn.Linear(4, 2)\n", f"{made}    model = torch.nn.Linear(4, 2)\n")
    assert records in text and made in text
    (tmp_path / "train.py").write_text(
        text + "    mp.spawn(rank, args=(store,), nprocs=2)\n", encoding="utf-8"
    )
    done = verify("1.6.0", "--checks", "accounting,logical-batches,private-loader", "train.py", cwd=tmp_path)
    assert {rule for _, rule in done.failing} == rule, done.stderr[-2000:]


@pytest.mark.parametrize(
    ("start", "trains"),
    [
        ("subprocess.run([sys.executable, '-c', 'pass'])", True),
        ("os.system('python train.py || true')", True),
        ("subprocess.run(['true'])", False),
    ],
)
def test_another_program_that_may_train_is_named(tmp_path: Path, start: str, trains: bool) -> None:
    (tmp_path / "run.py").write_text(f"import os, subprocess, sys\n{start}\n", encoding="utf-8")
    done = verify("1.6.0", "run.py", cwd=tmp_path)
    assert done.status == 2
    assert "no private run was seen" in done.stderr
    assert ("another program" in done.stderr) is trains
