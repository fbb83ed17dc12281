"""Programs in pairs about backward passes and loaders: the fault is told, its right twin is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scan.test_twins import test_the_fault_and_its_right_twin as told_and_silent

LOGGED = """
def train(net, loader, measured):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    net, optimizer, loader = private(net, optimizer, loader)
    for x, y in loader:
        torch.nn.functional.cross_entropy(net(x), y).backward()
        print([p.grad_sample for p in net.parameters()])
        optimizer.zero_grad()
        {again}
        optimizer.step()
"""

DEALT = """
from opacus.data_loader import DPDataLoader

def train(net, loader):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    net, optimizer, _ = private(net, optimizer, loader)
    epoch(net, {loader}, optimizer)
"""

OPTIONAL = """
import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--private", action="store_true")
parser.add_argument("--clip", type=float, default=1.0)
args = parser.parse_args()

def train(args, net, loader):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    if args.private:
        net, optimizer, loader = private(net, optimizer, loader)
    for x, y in loader:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(x), y).backward()
        if {when}:
            torch.nn.utils.clip_grad_norm_(net.parameters(), args.clip)
        optimizer.step()

train(args, torch.nn.Linear(4, 2), DataLoader([]))
"""

COX = """
def cox(risk, events, times):
    order = torch.argsort(times, descending=True)
    risk, events = risk[order], events[order]
    return -torch.sum(events * (risk - {before})) / events.sum()

def train(net, loader):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    net, optimizer, loader = private(net, optimizer, loader)
    for x, events, times in loader:
        optimizer.zero_grad()
        cox(net(x).squeeze(), events, times).backward()
        optimizer.step()
"""
LOG_SUM = "torch.logcumsumexp(risk, dim={dim})"

OUTPUTS = """
import theirs
import torch
from opacus import PrivacyEngine
from torch import nn
from torch.utils.data import DataLoader


def train(records, net):
    engine = PrivacyEngine()
    model, optimizer, loader = engine.make_private(
        module=net, optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
        data_loader=DataLoader(records), noise_multiplier=1.0, max_grad_norm=1.0)
    criterion = nn.CrossEntropyLoss()
    for x, y in loader:
        criterion(model(x), y).backward()
        break
    for x, y in loader:
        optimizer.zero_grad()
        criterion({outputs}, y).backward()
        optimizer.step()
"""

PAIRS = [
    (
        "DPM108",
        OUTPUTS.format(outputs="nn.Linear(4, 2)(x)"),
        OUTPUTS.format(outputs="theirs.outputs(model, x)"),
    ),
    ("DPM124", COX.format(before=LOG_SUM.format(dim=0)), COX.format(before=LOG_SUM.format(dim=1))),
    ("DPM124", COX.format(before="risk.exp().cumsum(0).log()"), COX.format(before="risk.cumsum(0)")),
    (
        "DPM109",
        OPTIONAL.format(when="args.clip > 0"),
        OPTIONAL.format(when="args.clip > 0 and not args.private"),
    ),
    ("DPM109", OPTIONAL.format(when="args.clip"), OPTIONAL.format(when="not args.private and args.clip > 0")),
    ("DPM108", LOGGED.format(again="measured(x, y)"), LOGGED.format(again="measured(x, y).backward()")),
    ("DPM301", DEALT.format(loader="loader"), DEALT.format(loader="DPDataLoader.from_data_loader(loader)")),
]


@pytest.mark.parametrize("rule, faulty, right", PAIRS)
def test_passes_and_their_right_twins(tmp_path: Path, rule: str, faulty: str, right: str) -> None:
    told_and_silent(tmp_path, rule, faulty, right)
