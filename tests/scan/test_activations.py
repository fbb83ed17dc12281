"""Calls of one function are activations of their own: what one trains is not what another made private."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api
from tests.scan.programs import lay_out

PROGRAM = """
import json
import pytest
import torch
from torch import nn
from opacus import PrivacyEngine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import starmap
from multiprocessing import Pool

def train(private):
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = passed_in = torch.utils.data.DataLoader(torch.zeros(8, 4), batch_size=8)
    criterion = nn.CrossEntropyLoss()
    if private:
        model, optimizer, loader = PrivacyEngine().make_private(
            module=model, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0)
    for x, y in LOADER:
        optimizer.zero_grad()
        criterion(model(x), y).backward()
        optimizer.step()

class Trial:
    def __init__(self, private):
        self.private = private

    def run(self):
        train(self.private)

CALL
"""


@pytest.mark.parametrize(
    "call",
    [
        "Pool().map(train, [True, False])",
        "Pool().starmap(train, [(False,), (True,)])",
        "for result in Pool().imap_unordered(train, (True, False)): print(result)",
        "ThreadPoolExecutor().map(train, [True, False])",
        "list(map(train, [True, False]))",
        "list(starmap(train, [(True,), (False,)]))",
        "@pytest.mark.parametrize('private', [True, False])\ndef test_train(private):\n    train(private)",
        "for f in [partial(train, True), partial(train, False)]: f()",
        "for f in [lambda: train(True), lambda: train(False)]: f()",
        "for trial in [Trial(True), Trial(False)]: trial.run()",
        "trials = []\nfor private in [True, False]:\n    trials.append(Trial(private))\n"
        "for trial in trials:\n    trial.run()",
        "trials = {k: Trial(k == 'dp') for k in names}\nfor trial in trials.values():\n    trial.run()",
        "class Both:\n    def __init__(self): self.all = [Trial(True), Trial(False)]\n"
        "    def run(self): [t.run() for t in self.all]\nBoth().run()",
        "for private in [True, False] * 3: train(private)",
        "for i in range(4): train(i % 2 == 0)",
        "while True: train(input() == 'y')",
        "for c in json.load(open('c.json')): train(c['private'])",
        "todo = [True, False]\nwhile todo: train(todo.pop())",
        "for budget in [1.0, 3.0, float('inf')]: train(budget != float('inf'))",
        "for sigma in [0, 0.5, 1.0]: train(sigma > 0)",
        "def go(n):\n    if n:\n        train(n == 1)\n        go(n - 1)\ngo(2)",
    ],
)
def test_a_call_for_each_of_several_arguments_is_one_of_its_own(tmp_path: Path, call: str) -> None:
    for loader, rules in (("loader", set()), ("passed_in", {"DPM301"})):
        text = PROGRAM.replace("CALL", call).replace("LOADER", loader)
        result = api.scan(cwd=lay_out(tmp_path, train=text))
        assert {f.rule for f in result.findings if f.severity != "info"} == rules


HEAD = """
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader
from opacus import PrivacyEngine
"""
LISTS = """
models, optimizers, loaders = [], [], []
for private in (True, False):
    m = nn.Linear(4, 2)
    o = torch.optim.SGD(m.parameters(), lr=0.1)
    d = DataLoader(torch.zeros(64, 4), batch_size=8)
    if private:
        m, o, d = PrivacyEngine().make_private(
            module=m, optimizer=o, data_loader=d, noise_multiplier=1.0, max_grad_norm=1.0)
    models.append(m); optimizers.append(o); loaders.append(d)
"""
BODY = """
    for x, y in d:
        o.zero_grad()
        F.cross_entropy(m(x), y).backward()
        o.step()
"""


@pytest.mark.parametrize(
    "loop",
    [
        "for m, o, d in zip(models, optimizers, loaders):",
        "for i in range(2):\n    m, o, d = models[i], optimizers[i], loaders[i]",
        "for i, d in enumerate(loaders):\n    m, o = models[i], optimizers[i]",
    ],
)
def test_what_stands_at_one_place_of_several_lists_goes_together(tmp_path: Path, loop: str) -> None:
    result = api.scan(cwd=lay_out(tmp_path, train=HEAD + LISTS + loop + BODY))
    assert {f.rule for f in result.findings if f.severity != "info"} == set()
