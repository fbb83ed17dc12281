"""Data sets that seed torch's default generator for each record: DPM205, by what the program does."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api
from tests.scan.programs import lay_out

PROGRAM = """
import argparse, os, random, secrets

import numpy as np
import torch
from opacus import PrivacyEngine
from opacus.utils.batch_memory_manager import BatchMemoryManager
from torch import nn
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset, random_split

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--fixed", action="store_true")
parser.add_argument("--workers", type=int, default=0)
parser.add_argument("--threads", type=int, default=4)
args = parser.parse_args()

def seed_all(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)

def jitter(x):
    torch.manual_seed(0)
    return x + torch.randn_like(x)

class Jitter:
    def __call__(self, x):
        return jitter(x)

def together(records):
    torch.manual_seed(0)
    return torch.utils.data.default_collate(records)

class Records(Dataset):
    def __init__(self, change=None):
        self.seed, self.change = 3, change

    def __len__(self):
        return 64

    def __getitem__(self, index):
        {record}
        return torch.randn(4), 0

plain = TensorDataset(torch.randn(64, 4), torch.zeros(64).long())
model = nn.Linear(4, 2)
model, optimizer, loader = PrivacyEngine().make_private(
    module=model,
    optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
    data_loader=DataLoader({loader}),
    noise_multiplier=1.0,
    max_grad_norm=1.0,{more}
)
{loop}:
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()
"""
RECORDS = "Records(), batch_size=8"
BY_INDEX = "torch.manual_seed(index)"
LOOP = "for x, y in loader"
MANAGED = """
with BatchMemoryManager(data_loader=loader, max_physical_batch_size=4, optimizer=optimizer) as managed:
  for x, y in managed"""


def certainties(
    folder: Path, record: str, loader: str = RECORDS, more: str = "", loop: str = LOOP
) -> list[str]:
    text = PROGRAM.format(record=record, loader=loader, more=more, loop=loop)
    lay_out(folder, train=text.replace("\n    optimizer", "\n    optimizer"))
    return [f.certainty for f in api.scan(["."], cwd=folder).findings if f.rule == "DPM205"]


@pytest.mark.parametrize(
    "record",
    [
        BY_INDEX,
        "torch.manual_seed(0)",
        "torch.default_generator.manual_seed(index)",
        "torch.manual_seed(self.seed)",
        "torch.manual_seed(self.seed + index)",
        "torch.manual_seed(args.seed + index)",
        "torch.manual_seed(int(index) * 7919 % 1000003)",
        "seed_all(index)",
    ],
)
def test_a_seed_for_each_record(record: str, tmp_path: Path) -> None:
    assert certainties(tmp_path, record) == ["definite"]


@pytest.mark.parametrize(
    ("loader", "loop"),
    [
        ("random_split(Records(), [32, 32])[0], batch_size=8", LOOP),
        ("Subset(Records(), range(32)), batch_size=8", LOOP),
        ("Records(), batch_size=8, num_workers=0", LOOP),
        (RECORDS, MANAGED),
    ],
)
def test_however_the_records_are_reached(loader: str, loop: str, tmp_path: Path) -> None:
    assert certainties(tmp_path, BY_INDEX, loader, loop=loop) == ["definite"]


@pytest.mark.parametrize(
    ("record", "loader"),
    [
        ("self.change(torch.zeros(4))", "Records(jitter), batch_size=8"),
        ("self.change(torch.zeros(4))", "Records(Jitter()), batch_size=8"),
        ("pass", "plain, batch_size=8, collate_fn=together"),
    ],
)
def test_what_transforms_or_collates_records(record: str, loader: str, tmp_path: Path) -> None:
    assert certainties(tmp_path, record, loader) == ["definite"]


@pytest.mark.parametrize(
    ("record", "loader"),
    [
        ("if args.fixed: torch.manual_seed(index)", RECORDS),
        ("if not os.path.exists(str(index)): torch.manual_seed(index)", RECORDS),
        (BY_INDEX, "Records(), batch_size=8, num_workers=args.workers"),
    ],
)
def test_a_seed_on_some_ways_only(record: str, loader: str, tmp_path: Path) -> None:
    assert certainties(tmp_path, record, loader) == ["possible"]


@pytest.mark.parametrize(
    ("record", "loader", "more"),
    [
        ("pass", RECORDS, ""),
        ("torch.manual_seed(np.random.randint(2**31))", RECORDS, ""),
        ("seed = random.getrandbits(31); torch.manual_seed(seed)", RECORDS, ""),
        ("random.seed(index); np.random.seed(index)", RECORDS, ""),
        ("torch.randn(4, generator=torch.Generator().manual_seed(index))", RECORDS, ""),
        ("with torch.random.fork_rng(): torch.manual_seed(index)", RECORDS, ""),
        ("state = torch.get_rng_state(); torch.manual_seed(index); torch.set_rng_state(state)", RECORDS, ""),
        (BY_INDEX, "Records(), batch_size=8, num_workers=2", ""),
        (BY_INDEX, "Records(), batch_size=8, num_workers=args.threads", ""),
        (BY_INDEX, "plain, batch_size=8", ""),
        (BY_INDEX, RECORDS, "noise_generator=torch.Generator().manual_seed(secrets.randbits(60)),"),
    ],
)
def test_what_leaves_the_noise_alone(record: str, loader: str, more: str, tmp_path: Path) -> None:
    assert certainties(tmp_path, record, loader, more) == []


def test_a_loop_that_only_evaluates(tmp_path: Path) -> None:
    loop = "for x, y in loader: model(x)\nfor x, y in DataLoader(plain)"
    assert certainties(tmp_path, BY_INDEX, loop=loop) == []
