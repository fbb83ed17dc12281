"""Small programs in pairs that differ in one fact: what a second engine trains, and numbers known to all."""

from __future__ import annotations

from tests.scan.ways_of_building import LOOP, PRIVATE
from tests.scan.ways_of_writing import HEAD, Pair

TRAIN = (
    HEAD
    + """
def train(net, records, lr):
    engine = PrivacyEngine()
    private, optimizer, loader = engine.make_private(
        module=net,
        optimizer=torch.optim.SGD(net.parameters(), lr=lr),
        data_loader=DataLoader(records, batch_size=32),
        noise_multiplier=1.0,
        max_grad_norm=1.0,
    )
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(private(x), y).backward()
        optimizer.step()
    private.remove_hooks()
    MORE
    return engine.get_epsilon(1e-5)


net, records = nn.Linear(16, 4), data()
start = {name: value.clone() for name, value in net.state_dict().items()}
"""
)
ONCE = TRAIN.replace("MORE", "pass")
SEEDED = (
    HEAD
    + """
import hashlib
import os
import random

import numpy as np

generator = torch.Generator()
generator.manual_seed(FACT)
net = nn.Linear(16, 4)
engine = PrivacyEngine()
net, optimizer, loader = engine.make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
    noise_generator=generator,
)
"""
    + LOOP
)
FOLDS = (
    HEAD
    + """
from sklearn.model_selection import KFold
from torch.utils.data import Subset

net, records = nn.Linear(16, 4), data()
for kept, left_out in KFold(5).split(range(len(records))):
    FACT
    engine = PrivacyEngine()
    private, optimizer, loader = engine.make_private(
        module=net,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
        data_loader=DataLoader(Subset(records, kept), batch_size=32),
        noise_multiplier=1.0,
        max_grad_norm=1.0,
    )
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(private(x), y).backward()
        optimizer.step()
    private.remove_hooks()
    print(engine.get_epsilon(1e-5))
"""
)
ROUNDS = (
    HEAD
    + """
def update(weights, build, records):
    net = build()
    FACT
    engine = PrivacyEngine()
    private, optimizer, loader = engine.make_private(
        module=net,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
        data_loader=DataLoader(records, batch_size=32),
        noise_multiplier=1.0,
        max_grad_norm=1.0,
    )
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(private(x), y).backward()
        optimizer.step()
    return net.state_dict(), engine.get_epsilon(1e-5)


def simulate(build, clients):
    weights = build().state_dict()
    for _ in range(20):
        told = [update(weights, build, records) for records in clients]
        weights = {key: sum(one[key] for one, _ in told) / len(told) for key in weights}
    return weights
"""
)

KEPT = (
    HEAD
    + """
import tracker


class Client:
    def __init__(self, net, records):
        self.net, self.records = net, records
        self.optimizer = None

    def set_up(self):
        self.engine = PrivacyEngine()
        self.net, self.optimizer, self.loader = self.engine.make_private(
            module=self.net,
            optimizer=torch.optim.SGD(self.net.parameters(), lr=0.1),
            data_loader=DataLoader(self.records, batch_size=32),
            noise_multiplier=1.0,
            max_grad_norm=1.0,
        )

    def fit(self):
        if FACT:
            self.set_up()
        for x, y in self.loader:
            self.optimizer.zero_grad()
            F.cross_entropy(self.net(x), y).backward()
            self.optimizer.step()
        return self.engine.get_epsilon(1e-5)


client = Client(nn.Linear(16, 4), data())
print(client.fit())
client.optimizer = tracker.watched(client.optimizer)
print(client.fit())
"""
)

AGAIN = (
    Pair("DPM304", "set-up-in-each-fit", KEPT, "self.records", "self.optimizer is None"),
    Pair(
        "DPM304",
        "trained-twice-on-the-same-records",
        ONCE + "print(train(net, records, 0.5), train(FACT, 0.05))",
        "net, records",
        "net, data()",
    ),
    Pair(
        "DPM304",
        "set-back-between",
        ONCE + "print(train(net, records, 0.5))\nFACT\nprint(train(net, records, 0.05))",
        "net.eval()",
        "net.load_state_dict(start)",
    ),
    Pair(
        "DPM304",
        "another-model-of-the-same-records",
        ONCE + "print(train(net, records, 0.5))\nFACT\nprint(train(net, records, 0.05))",
        "net.train()",
        "net = nn.Linear(16, 4)",
    ),
    Pair(
        "DPM304",
        "one-or-the-other",
        ONCE
        + "if len(records) > 9:\n    print(train(net, records, 0.5))\n"
        + "FACT    print(train(net, records, 0.1))",
        "if True:\n",
        "else:\n",
    ),
    Pair(
        "DPM304",
        "epsilons-added-up",
        ONCE + "first = train(net, records, 0.5)\nsecond = train(net, records, 0.05)\nprint(FACT)",
        "first, second",
        "first + second",
    ),
    Pair(
        "DPM304",
        "calls-itself",
        TRAIN.replace("MORE", "FACT") + "print(train(net, records, 0.5))",
        "train(net, records, lr / 2) if lr > 0.01 else None",
        "train(nn.Linear(16, 4), records, lr / 2) if lr > 0.01 else None",
    ),
    Pair(
        "DPM304",
        "of-two-functions",
        ONCE
        + "def one():\n    print(train(net, records, 0.5))\n\n\n"
        + "def other():\n    print(train(net, records, 0.1))\n\n\nFACT",
        "one()\nother()",
        "print(net)",
    ),
    Pair("DPM304", "folds", FOLDS, "net.train()", "net = nn.Linear(16, 4)"),
    Pair("DPM304", "folds-from-the-start", FOLDS, "net.train()", "net.apply(nn.init.zeros_)"),
    Pair("DPM304", "models-of-unknown-making", ROUNDS, "net.load_state_dict(weights)", "pass"),
    Pair(
        "DPM304",
        "settings-on-what-came-from-outside",
        ONCE.partition("\nnet, records = ")[0]
        + "import copy\n\n\n"
        + "def sweep(records):\n    net = nn.Linear(16, 4)\n    for lr in [0.1, 0.2]:\n"
        + "        print(train(FACT, records, lr))\n",
        "net",
        "copy.deepcopy(net)",
    ),
    Pair(
        "DPM201",
        "made-where-none-is-given",
        HEAD
        + """
class Drawn:
    def __init__(self):
        self.noise = torch.Generator()
        FACT


def train(records, drawn=None):
    drawn = drawn or Drawn()
    net = nn.Linear(16, 4)
    engine = PrivacyEngine()
    net, optimizer, loader = engine.make_private(
        module=net,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
        data_loader=DataLoader(records, batch_size=32),
        noise_multiplier=1.0,
        max_grad_norm=1.0,
        noise_generator=drawn.noise,
    )
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
""",
        "pass",
        "self.noise.seed()",
    ),
    Pair("DPM204", "drawn", SEEDED, "np.random.default_rng(7).integers(2**31)", "random.getrandbits(31)"),
    Pair(
        "DPM204",
        "drawn-of-nothing",
        SEEDED,
        "np.random.RandomState(7).randint(9)",
        "np.random.RandomState().randint(9)",
    ),
    Pair(
        "DPM204",
        "hash",
        SEEDED,
        'int(hashlib.sha256("run-3".encode()).hexdigest()[:8], 16) % 2**31',
        "int(hashlib.sha256(os.urandom(8)).hexdigest()[:8], 16) % 2**31",
    ),
    Pair(
        "DPM204",
        "digest",
        SEEDED,
        'int.from_bytes(hashlib.md5(b"run-3").digest()[:6], "little")',
        'int.from_bytes(os.urandom(6), "little")',
    ),
    Pair(
        "DPM204",
        "joined",
        SEEDED,
        'int(hashlib.md5("-".join(["run", "3"]).encode()).hexdigest()[:8], 16)',
        'int(hashlib.md5("-".join(["run", os.environ["ID"]]).encode()).hexdigest()[:8], 16)',
    ),
    Pair(
        "DPM204",
        "generator-of-the-optimizer",
        PRIVATE + "optimizer.generator = torch.Generator()\nFACT\n" + LOOP,
        "optimizer.generator.manual_seed(3)",
        "optimizer.generator.seed()",
    ),
    Pair(
        "DPM201",
        "generator-of-the-optimizer",
        PRIVATE + "drawn = torch.Generator()\nFACT\noptimizer.generator = drawn\n" + LOOP,
        "pass",
        "drawn.seed()",
    ),
)
