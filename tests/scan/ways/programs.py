"""What the small programs in pairs have in common: beginnings, engines, loops, and the pair itself."""

from __future__ import annotations

from typing import NamedTuple

HEAD = """
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from opacus import PrivacyEngine
from opacus.utils.batch_memory_manager import BatchMemoryManager


def data():
    return TensorDataset(torch.randn(512, 16), torch.randint(0, 4, (512,)))
"""


HOOKS = """
def make(net, optimizer, **options):
    options.update(noise_multiplier=1.0, max_grad_norm=1.0)
    loader = DataLoader(data(), batch_size=32)
    return PrivacyEngine().make_private(module=net, optimizer=optimizer, data_loader=loader, **options)


net = nn.Linear(16, 8)
net, optimizer, loader = make(net, torch.optim.SGD(net.parameters(), lr=0.1))
"""


GHOST = """
net = Net()
net, optimizer, criterion, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    criterion=CRITERION,
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
    grad_sample_mode="ghost",
)
for x, y in loader:
    optimizer.zero_grad()
    criterion(net(x), y).backward()
    optimizer.step()
"""


class Pair(NamedTuple):
    """A program with a word for the one fact, and both of what can stand for it."""

    rule: str
    name: str
    program: str
    wrong: str
    right: str
    opacus: str = ">=1.5.4"

    def __str__(self) -> str:
        return f"{self.rule}-{self.name}"


def module_of(forward: str, layers: str) -> str:
    body = "\n".join(f"        {line}" for line in forward.strip().splitlines())
    made = "\n".join(f"        {line}" for line in layers.strip().splitlines())
    return (
        f"class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n{made}\n\n"
        f"    def forward(self, x):\n{body}\n"
    )


def ghost_run(forward: str, layers: str, criterion: str = "nn.CrossEntropyLoss()") -> str:
    return HEAD + "\n\n" + module_of(forward, layers) + GHOST.replace("CRITERION", criterion)


STEP = """
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
"""


PRIVATE = (
    HEAD
    + """
net = nn.Linear(16, 4)
engine = PrivacyEngine()
net, optimizer, loader = engine.make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
"""
)


ITEM = (
    HEAD
    + """
def main(given):
    net, loader, settings = nn.Linear(16, 4), DataLoader(data(), batch_size=32), {"noise": 0.0}
    try:
        settings["noise"] = given[0]
        print(given[1])
    except ValueError:
        print("as it was")
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    if settings["noise"] TEST 0.0:
        net, optimizer, FACT = PrivacyEngine().make_private(
            module=net,
            optimizer=optimizer,
            data_loader=loader,
            noise_multiplier=settings["noise"],
            max_grad_norm=1.0,
        )
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
"""
)


GHOST_GIVEN = """
net, optimizer, criterion, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    criterion=CRITERION(),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
    grad_sample_mode="ghost",
)
"""


STEPS = """
for x, y in loader:
    optimizer.zero_grad()
    criterion(net(x), y).backward()
    optimizer.step()
"""


LEAVES = (
    HEAD
    + """
import sys


def main():
    net = nn.Linear(16, 4)
    engine = PrivacyEngine()
    for number in range(5):
        IN_TURN
        model, optimizer, loader = engine.make_private(
            module=net,
            optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
            data_loader=DataLoader(data(), batch_size=32, generator=GENERATOR),
            noise_multiplier=1.0,
            max_grad_norm=1.0,
        )
        for x, y in loader:
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
        print(engine.get_epsilon(1e-5))
        net = model.to_standard_module()
    return 0


if __name__ == "__main__":
"""
)


CLIENT = """
import flwr
import numpy as np


class Client(flwr.client.NumPyClient):
    def __init__(self, net):
        self.engine = PrivacyEngine()
        self.net, self.optimizer, self.loader = self.engine.make_private(
            module=net,
            optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
            data_loader=DataLoader(data(), batch_size=32),
            noise_multiplier=1.0,
            max_grad_norm=1.0,
        )

    def fit(self, parameters, config):
        for x, y in self.loader:
            self.optimizer.zero_grad()
            F.cross_entropy(self.net(x), y).backward()
            self.optimizer.step()
        return [], 1, {"epsilon": self.engine.get_epsilon(1e-5)}
"""


GHOST_MADE = GHOST_GIVEN.replace("CRITERION()", "nn.CrossEntropyLoss()")


TRAINER = """

class Trainer:
    def __init__(self, net, loader):
        self.net, self.loader = net, loader
        self.optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

    def train(self):
        self.net, self.optimizer, self.loader = PrivacyEngine().make_private(
            module=self.net,
            optimizer=self.optimizer,
            data_loader=self.loader,
            noise_multiplier=1.0,
            max_grad_norm=1.0,
        )
        for x, y in self.loader:
            self.optimizer.zero_grad()
            self.loss(x, y).backward()
            self.finish()

    def loss(self, x, y):
        raise NotImplementedError

    def finish(self):
        self.optimizer.step()


class Plain(Trainer):
    def loss(self, x, y):
        return F.cross_entropy(self.net(x), y)
"""
