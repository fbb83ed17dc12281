"""Rounds that a program writes itself: whose engines forget the weights that go on (DPM304), whose do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api
from tests.scan.programs import lay_out

CLIENT = """
import numpy as np
import torch
from opacus import PrivacyEngine
from torch import nn
from torch.utils.data import DataLoader


class Client:
    def __init__(self, records, weights):
        self.net = nn.Linear(4, 2)
        BEFORE
        optimizer = torch.optim.SGD(self.net.parameters(), lr=0.1)
        self.engine = PrivacyEngine()
        self.net, self.optimizer, self.loader = self.engine.make_private(
            module=self.net, optimizer=optimizer, data_loader=DataLoader(records),
            noise_multiplier=1.0, max_grad_norm=1.0)

    def weights(self):
        return [value.numpy() for value in self.net.state_dict().values()]

    def take(self, weights):
        pairs = zip(self.net.state_dict().keys(), weights)
        self.net.load_state_dict({key: torch.tensor(value) for key, value in pairs})

    def fit(self, weights):
        FIRST
        best = None
        for x, y in self.loader:
            self.optimizer.zero_grad()
            nn.functional.cross_entropy(self.net(x), y).backward()
            self.optimizer.step()
            best = self.weights()
        LAST
        return self.weights(), self.engine.get_epsilon(1e-5)


def main(parts, rounds):
    net = nn.Linear(4, 2)
    weights = [value.numpy() for value in net.state_dict().values()]
    for _ in range(rounds):
        told = []
        for part in parts:
            new, epsilon = Client(part, weights).fit(weights)
            told.append(new)
            print(epsilon)
        RESULT = [np.mean(one, axis=0) for one in zip(*told)]
"""


@pytest.mark.parametrize(
    ("words", "goes_on"),
    [
        ({}, False),
        ({"FIRST": "self.take(weights)", "RESULT": "result"}, False),
        ({"BEFORE": "self.take(weights)", "RESULT": "result"}, False),
        ({"LAST": "self.take(best)"}, False),
        ({"LAST": "self.take(weights)"}, False),
        ({"FIRST": "self.take(weights)"}, True),
        ({"BEFORE": "self.take(weights)"}, True),
    ],
)
def test_weights_that_a_round_hands_to_the_next(tmp_path: Path, words: dict[str, str], goes_on: bool) -> None:
    text = CLIENT
    for word, meant in {
        "BEFORE": "pass",
        "FIRST": "pass",
        "LAST": "pass",
        "RESULT": "weights",
        **words,
    }.items():
        text = text.replace(word, meant)
    found = [f for f in api.scan(["."], cwd=lay_out(tmp_path, train=text)).findings if f.rule == "DPM304"]
    assert bool(found) is goes_on


SIMULATED = """
import flwr
import torch
from opacus import PrivacyEngine
from torch import nn


class Client(flwr.client.NumPyClient):
    def __init__(self, loader):
        self.net = nn.Linear(4, 2)
        self.loader = loader
        IN_INIT

    def fit(self, parameters, config):
        pairs = zip(self.net.state_dict().keys(), parameters)
        self.net.load_state_dict({key: torch.tensor(value) for key, value in pairs})
        IN_FIT
        for x, y in self.private:
            self.optimizer.zero_grad()
            nn.functional.cross_entropy(self.model(x), y).backward()
            self.optimizer.step()
        return [], len(x), {"epsilon": self.engine.get_epsilon(1e-5)}


def client_fn(cid):
    return Client(torch.load(f"{cid}.pt")).to_client()


flwr.simulation.start_simulation(
    client_fn=client_fn, num_clients=2, config=flwr.server.ServerConfig(num_rounds=ROUNDS)
)
"""
MAKING = """self.engine = PrivacyEngine()
        self.model, self.optimizer, self.private = self.engine.make_private(
            module=self.net, optimizer=torch.optim.SGD(self.net.parameters(), lr=0.1),
            data_loader=self.loader, noise_multiplier=1.0, max_grad_norm=1.0)"""


@pytest.mark.parametrize(
    ("place", "words"),
    [("IN_INIT", "Flower makes each client anew for it"), ("IN_FIT", "Flower comes here in each")],
)
@pytest.mark.parametrize(("rounds", "forgets"), [("3", True), ("1", False), ("int(input())", True)])
def test_a_simulation_of_one_round_forgets_nothing(
    tmp_path: Path, place: str, words: str, rounds: str, forgets: bool
) -> None:
    text = SIMULATED.replace(place, MAKING).replace("IN_INIT", "pass").replace("IN_FIT", "pass")
    lay_out(tmp_path, train=text.replace("ROUNDS", rounds))
    told = [f.message for f in api.scan(["."], cwd=tmp_path).findings if f.rule == "DPM304"]
    assert len(told) == forgets
    assert all(words in message for message in told)


STAGES = """
import torch
from opacus import PrivacyEngine
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def train(stages):
    net = nn.Linear(4, 2)
    plain = DataLoader(TensorDataset(torch.randn(64, 4), torch.zeros(64).long()))
    for stage in stages:
        if TEST:
            engine = PrivacyEngine()
            model, optimizer, loader = engine.make_private(
                module=net, optimizer=torch.optim.SGD(net.parameters(), lr=0.1), data_loader=plain,
                noise_multiplier=1.0, max_grad_norm=1.0)
            for x, y in loader:
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(x), y).backward()
                optimizer.step()
            print(engine.get_epsilon(1e-5))
"""


@pytest.mark.parametrize(
    ("test", "told"), [("stage.private", True), ('stage == "private"', False), ("1 == stage", False)]
)
def test_an_engine_of_one_stage_alone_forgets_nothing(tmp_path: Path, test: str, told: bool) -> None:
    lay_out(tmp_path, train=STAGES.replace("TEST", test))
    assert any(f.rule == "DPM304" for f in api.scan(["."], cwd=tmp_path).findings) == told


@pytest.mark.parametrize(("test", "told"), [("stage.private", True), ('stage == "private"', False)])
def test_the_stages_of_a_file_may_be_read_in_two_ways(tmp_path: Path, test: str, told: bool) -> None:
    program = STAGES.replace("TEST", test).replace(
        "    for stage",
        '    stages = stages["all"] if isinstance(stages, dict) else stages[0]\n    for stage',
    )
    lay_out(tmp_path, train=program)
    assert any(f.rule == "DPM304" for f in api.scan(["."], cwd=tmp_path).findings) == told


@pytest.mark.parametrize(
    ("test", "told"),
    [
        ('stage != "private"', False),
        ('not stage == "private"', False),
        ('stage == "public"', True),
        ('stage.startswith("public")', True),
    ],
)
def test_other_stages_are_passed_over(tmp_path: Path, test: str, told: bool) -> None:
    program = STAGES.replace(
        "        if TEST:\n", f"        if {test}:\n            continue\n        if stages:\n"
    )
    lay_out(tmp_path, train=program)
    assert any(f.rule == "DPM304" for f in api.scan(["."], cwd=tmp_path).findings) == told


COPIES = """
import copy
import torch
from opacus import PrivacyEngine
from torch import nn
from torch.utils.data import DataLoader


def one_round(model, records):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    engine = PrivacyEngine()
    model, optimizer, loader = engine.make_private(
        module=model, optimizer=optimizer, data_loader=DataLoader(records),
        noise_multiplier=1.0, max_grad_norm=1.0)
    for x, y in loader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    print(engine.get_epsilon(1e-5))
    return model.to_standard_module()


def main(records):
    net = nn.Linear(4, 2)
    for _ in range(10):
        ROUND
"""


@pytest.mark.parametrize(
    ("round_", "told"),
    [
        ("net = one_round(copy.deepcopy(net), records)", True),
        ("other = one_round(copy.deepcopy(net), records)", False),
        ("several = [one_round(net, records) for _ in range(10)]", True),
        ("several = [one_round(copy.deepcopy(net), records) for _ in range(10)]", False),
    ],
)
def test_a_round_that_begins_with_what_the_last_one_trained(tmp_path: Path, round_: str, told: bool) -> None:
    result = api.scan(cwd=lay_out(tmp_path, train=COPIES.replace("ROUND", round_)))
    assert ("DPM304" in {f.rule for f in result.findings}) == told


PARTS = COPIES.replace("def main(records):", "def main(records, parts, groups):").replace(
    "for _ in", "for r in"
)


@pytest.mark.parametrize(
    ("round_", "certainty"),
    [
        ("net = one_round(copy.deepcopy(net), records)", "definite"),
        ("net = one_round(copy.deepcopy(net), parts[0])", "definite"),
        ("net = one_round(copy.deepcopy(net), parts[r])", "possible"),
        ("net = one_round(copy.deepcopy(net), torch.load(f'day{r}.pt'))", "possible"),
        ("net = one_round(copy.deepcopy(net), torch.load('day.pt')); print(f'round {r}')", "definite"),
        ("losses = {}; net = one_round(copy.deepcopy(net), records); losses[r] = 0", "definite"),
    ],
)
def test_a_round_that_may_have_records_of_its_own(tmp_path: Path, round_: str, certainty: str) -> None:
    result = api.scan(cwd=lay_out(tmp_path, train=PARTS.replace("ROUND", round_)))
    assert [f.certainty for f in result.findings if f.rule == "DPM304"] == [certainty]


UNWRAPPED = """
import torch
from opacus import PrivacyEngine
from torch import nn


def train(net, loader):
    engine = PrivacyEngine()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    private, optimizer, batches = engine.make_private(
        module=net, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0)
    for x, y in batches:
        optimizer.zero_grad()
        nn.functional.cross_entropy(private(x), y).backward()
        optimizer.step()
    print(engine.get_epsilon(1e-5))
    return private._module


{rounds}
"""


@pytest.mark.parametrize(
    ("rounds", "goes_on"),
    [
        ("def main(net, loader, n):\n    for _ in range(n):\n        net = train(net, loader)", True),
        ("def main(self, n):\n    for _ in range(n):\n        self.net = train(self.net, self.loader)", True),
        ("def main(net, loader, n):\n    for _ in range(n):\n        best = train(net(), loader)", False),
        (
            "def main(nets, loader, n):\n    for i in range(n):\n        nets[i] = train(nets[i], loader)",
            False,
        ),
        (
            "def main(clients, n):\n    for i in range(n):\n        client = clients[i]\n"
            "        client.net = train(client.net, client.loader)",
            False,
        ),
    ],
)
def test_a_model_from_outside_that_is_unwrapped_for_the_next_round(
    tmp_path: Path, rounds: str, goes_on: bool
) -> None:
    lay_out(tmp_path, train=UNWRAPPED.format(rounds=rounds))
    result = api.scan(["."], cwd=tmp_path, opacus=">=1.5.4")
    assert ("DPM304" in {finding.rule for finding in result.findings}) is goes_on


CARRYING = """
import flwr as fl
import torch
from opacus import PrivacyEngine
from torch import nn

from data import loader


class Client(fl.client.NumPyClient):
    def __init__(self):
        self.spent = None

    def fit(self, weights, config):
        model = nn.Linear(10, 2)
        model.load_state_dict(weights)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        engine = PrivacyEngine()
        if self.spent is not None:
            engine.accountant.load_state_dict(self.spent)
        private, optimizer, data = engine.make_private(
            module=model, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0)
        for x, y in data:
            optimizer.zero_grad()
            nn.functional.cross_entropy(private(x), y).backward()
            optimizer.step()
        print(engine.get_epsilon(1e-5))
        KEPT = engine.accountant.state_dict()
        return model.state_dict(), len(data), {}


"""
STARTED = "fl.client.start_numpy_client(server_address='[::]:8080', client=Client())\n"
MADE_ANEW = (
    "def make(context):\n    return Client().to_client()\n\n\napp = fl.client.ClientApp(client_fn=make)\n"
)


@pytest.mark.parametrize(
    ("kept", "start", "forgets"),
    [
        ("self.spent", "", False),
        ("self.spent", STARTED, False),
        ("self.spent", MADE_ANEW, True),
        ("spent", STARTED, True),
        ("spent", "", True),
    ],
)
def test_what_a_client_keeps_of_a_round(tmp_path: Path, kept: str, start: str, forgets: bool) -> None:
    lay_out(tmp_path, client=CARRYING.replace("KEPT", kept) + start)
    assert any(f.rule == "DPM304" for f in api.scan(["."], cwd=tmp_path).findings) is forgets


ATTACHING = """
from opacus import PrivacyEngine


def attach(net, optimizer, loader):
    engine = PrivacyEngine()
    return *engine.make_private(
        module=net, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0
    ), engine
"""
ATTACHED = """
import flwr
import torch
from torch import nn
from torch.utils.data import DataLoader

from attaching import attach


class Client(flwr.client.NumPyClient):
    def __init__(self, data):
        net = nn.Linear(4, 2)
        self.net, self.loader = net, DataLoader(data)
        self.model, self.optimizer, self.private, self.engine = attach(
            net, torch.optim.SGD(net.parameters(), lr=0.1), self.loader)

    def fit(self, parameters, config):
        pairs = zip(self.net.state_dict().keys(), parameters)
        self.net.load_state_dict({key: torch.tensor(value) for key, value in pairs})
        for x, y in self.USED:
            self.optimizer.zero_grad()
            nn.functional.cross_entropy(self.model(x), y).backward()
            self.optimizer.step()
        return [], len(x), {"epsilon": self.engine.get_epsilon(1e-5)}


def factory(parts):
    def client_fn(cid):
        return Client(parts[int(cid)]).to_client()

    return client_fn


flwr.simulation.start_simulation(
    client_fn=factory(torch.load("parts.pt")),
    num_clients=2,
    config=flwr.server.ServerConfig(num_rounds=ROUNDS),
)
"""


@pytest.mark.parametrize(
    ("used", "rounds", "told"),
    [
        ("private", "3", ["DPM304"]),
        ("private", "1", []),
        ("loader", "3", ["DPM301", "DPM304"]),
    ],
)
def test_a_client_whose_engine_is_attached_in_another_file(
    tmp_path: Path, used: str, rounds: str, told: list[str]
) -> None:
    text = ATTACHED.replace("USED", used).replace("ROUNDS", rounds)
    lay_out(tmp_path, attaching=ATTACHING, train=text)
    rules = {f.rule for f in api.scan(["."], cwd=tmp_path).findings if f.rule.startswith("DPM3")}
    assert sorted(rules) == told
