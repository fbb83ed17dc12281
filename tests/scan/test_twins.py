"""Programs in pairs that differ in one line: the fault is told, its right twin is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api
from tests.scan.programs import lay_out

HEAD = """
import flwr as fl
import opacus
import torch
from opacus import PrivacyEngine
from opacus.accountants import create_accountant
from opacus.accountants.utils import get_noise_multiplier
from torch.utils.data import DataLoader, Subset, random_split
from torchvision import models


def private(net, optimizer, loader, sigma=1.0):
    return PrivacyEngine().make_private(
        module=net, optimizer=optimizer, data_loader=loader, noise_multiplier=sigma, max_grad_norm=1.0)


def epoch(net, loader, optimizer):
    for x, y in loader:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
"""

BESIDE = """
def pieces(data, n):
    {parts}
    return DataLoader(a, batch_size=8), DataLoader(b, batch_size=8)

def main(net, data, n):
    beside, loader = pieces(data, n)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    net, optimizer, loader = private(net, optimizer, loader)
    epoch(net, loader, optimizer)
    for x, y in beside:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
"""
SUBSET = BESIDE.format(parts="a, b = Subset(data, range(n)), data")
SAME = BESIDE.format(parts="a, b = data, data")
SPLIT = BESIDE.format(parts="a, b = random_split(data, [n, len(data) - n])")
SOME = BESIDE.format(parts="a, b = random_split(data, n)")
SUBSETS = BESIDE.format(parts="a, b = Subset(data, range(n)), Subset(data, range(n, 2 * n))")

TOLD = """
def ahead(accountant, sigma):
    accountant = create_accountant(mechanism="rdp")
    accountant.step(noise_multiplier=sigma, sample_rate=0.1)
    return accountant.get_epsilon(delta=1e-5)

def train(sigma, net, loader):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    net, optimizer, loader = private(net, optimizer, loader, sigma)
    for x, y in loader:
        if ahead(None, {told}) > 3:
            break
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()

def one(net, loader):
    train(1.0, net, loader)

def two(net, loader):
    train(1.5, net, loader)
"""

FROZEN = """
net = models.resnet18(weights=None)
for p in net.parameters():
    p.requires_grad = False
{then}
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
net, optimizer, loader = private(net, optimizer, [])
"""

ZERO = """
def noise(config, rate):
    if config is None or not config["enabled"]:
        return 0
    return get_noise_multiplier(
        target_epsilon=config["eps"], target_delta=1e-5, sample_rate=rate, epochs=3)

def main(net, loader, config, sigma=0.0):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    if config and config.enabled:
        private(net, optimizer, loader, {sigma})
"""

MODES = """
class Client(fl.client.NumPyClient):
    def __init__(self, net, loader, own):
        self.net, self.loader, self.engine = net, loader, PrivacyEngine()

    def fit(self, parameters, config):
        optimizer = torch.optim.SGD(self.net.parameters(), lr=0.1)
        use_dp = config.get("use_dp", False)
        mode = config.get("dp_mode", "opacus")
        if use_dp and mode in ["sample", "opacus"]:
            print("private")
        if use_dp and mode == "opacus":
            net, private, loader = self.engine.make_private(
                module=self.net, optimizer=optimizer, data_loader=self.loader,
                noise_multiplier=1.0, max_grad_norm=1.0)
            epoch(net, loader, {stepped})
        elif use_dp and mode == "client":
            epoch(self.net, self.loader, optimizer)
        else:
            epoch(self.net, self.loader, optimizer)
"""

PROXIMAL = """
def train(net, loader, fixed, mu):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    net, optimizer, loader = private(net, optimizer, loader)
    for x, y in loader:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(net(x), y)
        for a, b in zip(net._module.parameters(), fixed):
            loss = loss + mu * torch.sum((a - b) ** 2){detached}
        loss.backward()
        optimizer.step()
"""

AGENT = """
class Agent:
    def set_up(self):
        self.net, self.optimizer, self.loader = self.privacy_engine.make_private(
            module=self.net, optimizer=self.optimizer, data_loader=self.loader,
            noise_multiplier=1.0, max_grad_norm=1.0)

    def replay(self):
        for x, y in self.loader:
            self.optimizer.zero_grad()
            torch.nn.functional.cross_entropy(self.net(x), y).backward()
            if {when}:
                torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
            self.optimizer.step()
"""

FALLS_BACK = """
def prepared(net, loader):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    try:
        return private(net, optimizer, loader)
    except Exception as error:
        {handled}
    return net, torch.optim.SGD(net.parameters(), lr=0.1), loader

def main(loader):
    net, optimizer, loader = prepared(torch.nn.Linear(4, 2), loader)
    epoch(net, loader, optimizer)
"""

PATCHED = """
def block(self, x):
    out = self.bn1(self.conv1(x))
    return torch.relu(out + (x if self.downsample is None else self.downsample(x)))

def main(loader):
    {patch}
    net = opacus.validators.ModuleValidator.fix(models.resnet18())
    for layer in net.modules():
        if isinstance(layer, torch.nn.ReLU):
            layer.inplace = False
    net, optimizer, loader = private(net, torch.optim.SGD(net.parameters(), lr=0.1), loader)
    epoch(net, loader, optimizer)
"""

BUDGETS = """
class Part:
    def __init__(self, net, loader, target):
        self.target, self.engine = target, PrivacyEngine()
        self.net, self.optimizer, self.loader = self.engine.make_private(
            module=net, optimizer=torch.optim.SGD(net.parameters(), lr=0.1), data_loader=loader,
            noise_multiplier=1.0, max_grad_norm=1.0)

    def train(self):
        epoch(self.net, self.loader, self.optimizer)
        self.spent = self.engine.get_epsilon(1e-5)

def main(loaders):
    parts = {{name: Part(torch.nn.Linear(4, 2), loader, 8.0) for name, loader in loaders.items()}}
    for part in parts.values():
        part.train()
    spent = sum(part.spent for part in parts.values())
    print(spent / {over})
"""

RECORDS = """
def main(net, records):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    net, optimizer, loader = private(net, optimizer, DataLoader(records, batch_size=8, shuffle=True))
    for x, y in {over}:
        torch.nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
        optimizer.zero_grad()
"""

CLIENTS = """
class Client(fl.client.NumPyClient):
    def __init__(self, data):
        self.net = torch.nn.Linear(4, 2)
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=0.1)
        self.loader = DataLoader(data, batch_size=8)
        try:
            self.net, self.optimizer, self.loader = private(self.net, self.optimizer, self.loader)
        except Exception as error:
            {handled}

    def fit(self, parameters, config):
        epoch(self.net, self.loader, self.optimizer)
        return [], 1, {{}}

def main(parts):
    clients = []
    for number, data in parts.items():
        clients.append(Client(data))
    fl.simulation.start_simulation(client_fn=lambda cid: clients[int(cid)], num_clients=3)
"""

ONCE = """
class Client(fl.client.NumPyClient):
    def __init__(self, net, loader, own):
        self.net, self.loader, self.engine, self.optimizer, self.own = net, loader, None, None, own

    def set_up(self):
        self.engine = PrivacyEngine()
        optimizer = torch.optim.SGD(self.net.parameters(), lr=0.1)
        self.net, self.optimizer, self.loader = self.engine.make_private(
            module=self.net, optimizer=optimizer, data_loader=self.loader,
            noise_multiplier=1.0, max_grad_norm=1.0)

    def fit(self, parameters, config):
        if {first}:
            self.set_up()
        epoch(self.net, self.loader, self.optimizer)
        return [], 1, {{"epsilon": self.engine.get_epsilon(1e-5)}}
"""

WEIGHED = """
def main(net, loader, config{given}):
    {weights}
    criterion = torch.nn.CrossEntropyLoss(weight=weights)
    net, optimizer, loader = private(net, torch.optim.SGD(net.parameters(), lr=0.1), loader)
    for x, y in loader:
        optimizer.zero_grad()
        criterion(net(x), y).backward()
        optimizer.step()
"""
CHOSEN = "weights = None if config.get('plain') else torch.tensor([1.0, 2.0])"

BACKBONE = """
def main(loader):
    resnet = models.resnet18()
    net = torch.nn.Sequential({parts}, torch.nn.Flatten(), torch.nn.Linear(512, 2))
    net, optimizer, loader = private(net, torch.optim.SGD(net.parameters(), lr=0.1), loader)
    epoch(net, loader, optimizer)
"""

IMPORTED = """
def load():
    try:
        from opacus import PrivacyEngine
        return PrivacyEngine
    except ImportError:
        {handled}

Engine = load()
AVAILABLE = Engine is not None

def main(net, loader):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    if AVAILABLE:
        net, optimizer, loader = Engine().make_private(
            module=net, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0)
    epoch(net, loader, optimizer)
"""

PAIRS = [
    ("DPM311", IMPORTED.format(handled="return None"), IMPORTED.format(handled="raise")),
    (
        "DPM414",
        BACKBONE.format(parts="*list(resnet.children())[:-1]"),
        BACKBONE.format(parts="resnet.conv1, resnet.avgpool"),
    ),
    ("DPM121", WEIGHED.format(given="", weights=CHOSEN), WEIGHED.format(given="", weights="weights = None")),
    (
        "DPM121",
        WEIGHED.format(given=", weights", weights="pass"),
        WEIGHED.format(given=", weights=None", weights="pass"),
    ),
    (
        "DPM121",
        WEIGHED.format(given="", weights="weights = config['weights'].to('cpu')"),
        WEIGHED.format(given="", weights="weights = config.get('weights')"),
    ),
    ("DPM304", ONCE.format(first="self.own"), ONCE.format(first="self.optimizer is None")),
    ("DPM304", ONCE.format(first="not self.own"), ONCE.format(first="not self.engine")),
    (
        "DPM414",
        PATCHED.format(patch="pass"),
        PATCHED.format(patch="models.resnet.BasicBlock.forward = block"),
    ),
    (
        "DPM307",
        BUDGETS.format(over="len(parts)"),
        BUDGETS.format(over="sum(part.target for part in parts.values())"),
    ),
    ("DPM301", RECORDS.format(over="records"), RECORDS.format(over="loader")),
    (
        "DPM301",
        RECORDS.format(over="records") + "\nmain(torch.nn.Linear(4, 2), [(1, 2), (3, 4)])",
        RECORDS.format(over="loader") + "\nmain(torch.nn.Linear(4, 2), [(1, 2), (3, 4)])",
    ),
    ("DPM311", CLIENTS.format(handled="print(error)"), CLIENTS.format(handled="raise")),
    ("DPM301", SUBSET, SPLIT),
    ("DPM301", SAME, SUBSETS),
    ("DPM301", SAME, SOME),
    ("DPM307", TOLD.format(told="1.5"), TOLD.format(told="sigma")),
    (
        "DPM414",
        FROZEN.format(then="for p in net.layer4.parameters():\n    p.requires_grad = True"),
        FROZEN.format(then="net.fc = torch.nn.Linear(512, 10)"),
    ),
    ("DPM208", ZERO.format(sigma="sigma"), ZERO.format(sigma="noise(config, 0.1)")),
    ("DPM120", MODES.format(stepped="optimizer"), MODES.format(stepped="private")),
    ("DPM122", PROXIMAL.format(detached=""), PROXIMAL.format(detached=".item()")),
    ("DPM122", PROXIMAL.format(detached=""), PROXIMAL.format(detached=".detach()")),
    ("DPM109", AGENT.format(when="self.clips"), AGENT.format(when="self.clips and not self.privacy_engine")),
    ("DPM311", FALLS_BACK.format(handled="print(error)"), FALLS_BACK.format(handled="raise")),
]


@pytest.mark.parametrize("rule, faulty, right", PAIRS)
def test_the_fault_and_its_right_twin(tmp_path: Path, rule: str, faulty: str, right: str) -> None:
    for name, text in (("faulty", faulty), ("right", right)):
        lay_out(tmp_path / name, train=HEAD + text)
        (tmp_path / name / "requirements.txt").write_text("opacus==1.6.0\n", encoding="utf-8")
    said = [{f.rule for f in api.scan(["."], cwd=tmp_path / name).findings} for name in ("faulty", "right")]
    assert [rule in rules for rules in said] == [True, False], said


def test_a_handler_of_imports_is_told_as_that(tmp_path: Path) -> None:
    program = CLIENTS.replace("try:", "try:\n            from opacus import PrivacyEngine")
    program = program.replace("Exception as error", "ImportError")
    lay_out(tmp_path, train=HEAD + program.format(handled="pass"))
    said = [f.message for f in api.scan(["."], cwd=tmp_path).findings if f.rule == "DPM311"]
    assert said and all(message.startswith("where Opacus is not installed") for message in said)


def test_a_failed_call_is_told_as_that_and_not_as_the_loader(tmp_path: Path) -> None:
    lay_out(tmp_path, train=HEAD + CLIENTS.format(handled="print(error)"))
    assert {f.rule for f in api.scan(["."], cwd=tmp_path).findings if f.severity == "error"} == {"DPM311"}


def test_a_keyword_of_the_engine_is_told_as_that(tmp_path: Path) -> None:
    program = HEAD.replace("max_grad_norm=1.0)", "max_grad_norm=1.0, accountant='rdp')")
    lay_out(tmp_path, train=program)
    (said,) = [f.message for f in api.scan(["."], cwd=tmp_path).findings if f.rule == "DPM406"]
    assert "`accountant` (it belongs to `PrivacyEngine(accountant=...)`)" in said
