"""DPM205, reseeded-in-loop: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, HOOKS, PRIVATE, STEP, Pair

NODES = (
    HEAD
    + """
class Node:
    def __init__(self, records):
        net = nn.Linear(16, 4)
        self.engine = PrivacyEngine()
        self.net, self.optimizer, self.loader = self.engine.make_private(
            module=net,
            optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
            data_loader=DataLoader(records, batch_size=32),
            noise_multiplier=1.0,
            max_grad_norm=1.0,
        )

    def epoch(self, seed):
        SEEDED
        for x, y in self.loader:
            self.optimizer.zero_grad()
            F.cross_entropy(self.net(x), y).backward()
            self.optimizer.step()


nodes = [Node(data()) for _ in range(5)]
ROUNDS
"""
)


COUNTED = """
for epoch in range(5):
    for step, (x, y) in enumerate(loader):
        torch.manual_seed(FACT)
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
"""


SEEDING = NODES.replace("SEEDED", "torch.manual_seed(seed)")

PAIRS = (
    Pair(
        "DPM205",
        "decorator-around-the-step",
        HEAD
        + HOOKS
        + """
import functools


def same_every_time(step):
    @functools.wraps(step)
    def inner(*args, **kwargs):
        FACT
        return step(*args, **kwargs)

    return inner


@same_every_time
def train_step(x, y):
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()


for x, y in loader:
    train_step(x, y)
""",
        "torch.manual_seed(0)",
        "torch.use_deterministic_algorithms(True)",
    ),
    *(
        Pair(
            "DPM205",
            f"seed-of-an-evaluation-{name}",
            HEAD
            + HOOKS
            + f"""
def evaluate():
    {before}
        torch.manual_seed(0)
        with torch.no_grad():
            net(torch.randn(2, 16))
    {behind}


for epoch in range(3):
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    evaluate()
""",
            wrong,
            right,
        )
        for name, before, behind, wrong, right in (
            ("in-a-fork", "with FACT:", "", "torch.enable_grad()", "torch.random.fork_rng()"),
            (
                "set-back",
                "state = torch.get_rng_state()\n    if True:",
                "FACT",
                "return state",
                "torch.set_rng_state(state)",
            ),
        )
    ),
    Pair(
        "DPM205",
        "state-of-before-the-loop",
        HEAD
        + HOOKS
        + """
class Trainer:
    def __init__(self):
        self.state = torch.get_rng_state()

    def train(self):
        FACT
        for x, y in loader:
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()


trainer = Trainer()
for epoch in range(3):
    trainer.train()
""",
        "torch.set_rng_state(self.state)",
        "torch.set_rng_state(torch.get_rng_state())",
    ),
    Pair(
        "DPM205",
        "several-seeders-in-a-loop",
        HEAD
        + """
import random
import numpy as np


def everything(seed):
    for setter in (random.seed, np.random.seed, torch.manual_seed):
        setter(seed)


everything(7)
net = nn.Linear(16, 4)
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=64),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
epoch = 0
while epoch < 4:
    FACT
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    epoch += 1
""",
        "everything(7)",
        "print(epoch)",
    ),
    Pair(
        "DPM205",
        "nodes-of-a-list",
        SEEDING.replace("ROUNDS", "for round_number in range(9):\n    [node.epoch(FACT) for node in nodes]"),
        "7",
        "7 + round_number",
    ),
    Pair(
        "DPM205",
        "nodes-gone-over-once",
        SEEDING.replace("ROUNDS", "FACTfor node in nodes:\n    node.epoch(7)"),
        "for _ in range(9):\n    [node.epoch(7) for node in nodes]\n",
        "",
    ),
    Pair("DPM205", "counted-anew", PRIVATE + COUNTED, "1000 + step", "1000 * epoch + step"),
    Pair(
        "DPM205",
        "seeded-by-a-method-of-each-batch",
        HEAD
        + """
import lightning as L


class Module(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Linear(16, 4)

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.net.parameters(), lr=0.1)
        self.net, optimizer, self.loader = PrivacyEngine().make_private(
            module=self.net,
            optimizer=optimizer,
            data_loader=DataLoader(data(), batch_size=32),
            noise_multiplier=1.0,
            max_grad_norm=1.0,
        )
        return optimizer

    def FACT:
        L.seed_everything(7)

    def training_step(self, batch, batch_idx):
        x, y = batch
        return F.cross_entropy(self.net(x), y)
""",
        "on_train_batch_start(self, batch, batch_idx)",
        "on_fit_start(self)",
    ),
    Pair(
        "DPM205",
        "state-of-before-again",
        HEAD
        + HOOKS
        + """
state = torch.get_rng_state()
for epoch in range(3):
    FACT
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
""",
        "torch.set_rng_state(state)",
        "print(state)",
    ),
    Pair(
        "DPM205",
        "seed-handed-on-through-functions",
        HEAD
        + HOOKS
        + """
import json
import random


def seed_all(number):
    random.seed(number)
    torch.manual_seed(number)


def epoch(seed):
    seed_all(seed)
"""
        + STEP.replace("\n", "\n    ")
        + """

settings = json.load(open("settings.json"))
seed = settings["seed"]
for turn in range(5):
    epoch(FACT)
""",
        "seed",
        "seed + turn",
    ),
    Pair(
        "DPM205",
        "generator-of-its-own-where-an-option-says-so",
        HEAD
        + """
import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--noise-seed", type=int)
args = parser.parse_args()
"""
        + HOOKS.replace(
            "lr=0.1))",
            "lr=0.1), noise_generator=FACT)",
        )
        + """
for epoch in range(3):
    torch.manual_seed(0)
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
""",
        "None if args.noise_seed is None else torch.Generator()",
        "torch.Generator()",
    ),
    Pair(
        "DPM205",
        "seed-that-each-object-has",
        HEAD
        + """
class Site:
    def __init__(self, seed):
        self.seed, self.net = seed, nn.Linear(16, 4)
        self.engine = PrivacyEngine()
        self.net, self.optimizer, self.loader = self.engine.make_private(
            module=self.net,
            optimizer=torch.optim.SGD(self.net.parameters(), lr=0.1),
            data_loader=DataLoader(data(), batch_size=32),
            noise_multiplier=1.0,
            max_grad_norm=1.0,
        )

    def train(self):
        torch.manual_seed(self.seed)
        for x, y in self.loader:
            self.optimizer.zero_grad()
            F.cross_entropy(self.net(x), y).backward()
            self.optimizer.step()
        FACT


sites = [Site(17 + number) for number in range(3)]
for turn in range(5):
    for site in sites:
        site.train()
""",
        "print(self.seed)",
        "self.seed += 100",
    ),
)
