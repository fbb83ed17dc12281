"""Small programs in pairs that differ in one fact: what is printed as the guarantee, and on what it rests."""

from __future__ import annotations

from tests.scan.ways_of_building import LOOP
from tests.scan.ways_of_engines import CLIENT
from tests.scan.ways_of_writing import HEAD, HOOKS, Pair

TOLD = (
    *(
        Pair(
            "DPM306",
            name,
            HEAD
            + f"""

def size(loader):
    {counting}


def train(net, loader):
    delta = 1 / size(loader)
    net, optimizer, loader = PrivacyEngine().make_private_with_epsilon(
        module=net,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
        data_loader=loader,
        target_epsilon=3.0,
        target_delta=delta,
        epochs=2,
        max_grad_norm=1.0,
    )
"""
            + LOOP.replace("\n", "\n    ")
            + "\n\ntrain(nn.Linear(16, 4), DataLoader(data(), batch_size=32))\n",
            wrong,
            right,
        )
        for name, counting, wrong, right in (
            (
                "batches-counted-by-a-loop",
                "n = 0\n    for x, y in loader:\n        n += FACT\n    return n",
                "1",
                "10 * len(x)",
            ),
            (
                "batches-counted-by-a-sum",
                "return sum(FACT)",
                "1 for _ in loader",
                "20 * len(x) for x, _ in loader",
            ),
        )
    ),
    Pair(
        "DPM306",
        "power-of-ten",
        HEAD
        + HOOKS
        + """
engine = PrivacyEngine()
net, optimizer, loader = engine.make_private(
    module=nn.Linear(16, 8),
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
for x, y in loader:
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
    optimizer.zero_grad()
print(engine.get_epsilon(10**FACT))
""",
        "-1",
        "-6",
    ),
    Pair(
        "DPM307",
        "epsilons-put-together-by-reduce",
        HEAD
        + """
from functools import reduce
from operator import add


def client(net, loader):
    engine = PrivacyEngine()
    net, optimizer, loader = engine.make_private(
        module=net,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
        data_loader=loader,
        noise_multiplier=1.0,
        max_grad_norm=1.0,
    )
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    return engine.get_epsilon(1e-6)


def main(nets, loaders):
    spent = list(map(client, nets, loaders))
    print("epsilon", FACT)
""",
        "reduce(add, spent) / len(spent)",
        "reduce(max, spent)",
    ),
    Pair(
        "DPM307",
        "method-of-an-array",
        HEAD
        + """
import numpy as np


def one(part):
    net = nn.Linear(16, 4)
    engine = PrivacyEngine()
    net, optimizer, loader = engine.make_private(
        module=net,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
        data_loader=DataLoader(part, batch_size=32),
        noise_multiplier=1.0,
        max_grad_norm=1.0,
    )
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    return engine.get_epsilon(1e-5)


spent = [one(torch.utils.data.Subset(data(), range(part, part + 128))) for part in (0, 128, 256)]
print(np.array(spent).FACT())
""",
        "mean",
        "max",
    ),
    Pair(
        "DPM307",
        "strategy-of-ones-own",
        HEAD
        + CLIENT
        + """

class Reporting(flwr.server.strategy.FedAvg):
    def aggregate_fit(self, server_round, results, failures):
        spent = [result.metrics["epsilon"] for _, result in results]
        print(FACT)
        return super().aggregate_fit(server_round, results, failures)


strategy = Reporting(min_fit_clients=2)
""",
        "sum(spent) / len(spent)",
        "max(spent)",
    ),
    Pair(
        "DPM310",
        "parts-of-a-checkpoint-one-by-one",
        HEAD
        + """
engine, net = PrivacyEngine(), nn.Linear(16, 4)
net, optimizer, loader = engine.make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
parts = {"net": net, "optimizer": optimizer}
FACT
kept = torch.load("last.pt")
for name, part in parts.items():
    part.load_state_dict(kept[name])
"""
        + LOOP
        + """
torch.save({name: part.state_dict() for name, part in parts.items()}, "last.pt")
""",
        "print(parts)",
        'parts["accountant"] = engine.accountant',
    ),
    Pair(
        "DPM314",
        "step-put-off-by-an-argument",
        HEAD
        + """

def advance(optimizer, loss, last):
    loss.backward()
    optimizer.signal_skip_step(not last)
    optimizer.step()
    optimizer.zero_grad()

"""
        + HOOKS
        + """
for number, (x, y) in enumerate(loader):
    advance(optimizer, F.cross_entropy(net(x), y), FACT)
""",
        "number % 8 == 7",
        "True",
    ),
    Pair(
        "DPM314",
        "step-put-off-by-a-trainer",
        HEAD
        + """
from transformers import Trainer, TrainerCallback


class Added(TrainerCallback):
    def __init__(self, optimizer):
        self.optimizer = optimizer

    def FACT(self, args, state, control, **kwargs):
        self.optimizer.signal_skip_step(True)
        self.optimizer.step()
        self.optimizer.zero_grad()


class Private(Trainer):
    def __init__(self, net, args, records):
        net, optimizer, self.loader = PrivacyEngine().make_private(
            module=net,
            optimizer=torch.optim.AdamW(net.parameters()),
            data_loader=DataLoader(records, batch_size=args.per_device_train_batch_size),
            noise_multiplier=1.0,
            max_grad_norm=1.0,
        )
        super().__init__(net, args, optimizers=(optimizer, None), callbacks=[Added(optimizer)])

    def get_train_dataloader(self):
        return self.loader
""",
        "on_substep_end",
        "at_no_time",
    ),
    Pair(
        "DPM315",
        "class-of-the-optimizer-asked-for",
        HEAD
        + """
from opacus import GradSampleModule
from opacus.accountants import create_accountant
from opacus.optimizers import get_optimizer_class

accountant = create_accountant("prv")
net = GradSampleModule(nn.Linear(16, 4))
loader = DataLoader(data(), batch_size=32)
kind = get_optimizer_class(clipping="flat", distributed=False)
optimizer = kind(
    torch.optim.SGD(net.parameters(), lr=0.1), noise_multiplier=1.0, max_grad_norm=1.0, expected_batch_size=32
)
FACT
"""
        + LOOP
        + """
print(accountant.get_epsilon(delta=1e-6))
""",
        "print(optimizer)",
        "optimizer.attach_step_hook(accountant.get_optimizer_hook_fn(sample_rate=32 / 512))",
    ),
    Pair(
        "DPM306",
        "batches-counted-by-ceil",
        HEAD
        + """
import math

SIZE = 32
records = data()
net = nn.Linear(16, 4)
net, optimizer, loader = PrivacyEngine().make_private_with_epsilon(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(records, batch_size=SIZE),
    target_epsilon=3.0,
    target_delta=1 / math.ceil(FACT),
    epochs=2,
    max_grad_norm=1.0,
)
"""
        + LOOP,
        "len(records) / SIZE",
        "len(records) * 10.5",
    ),
    Pair(
        "DPM315",
        "engine-that-lends-its-accountant",
        HEAD
        + """
from opacus import GradSampleModule
from opacus.data_loader import DPDataLoader
from opacus.optimizers import DPOptimizer

engine = PrivacyEngine()
loader = DPDataLoader.from_data_loader(DataLoader(data(), batch_size=32))
net = GradSampleModule(nn.Linear(16, 4))
optimizer = DPOptimizer(
    torch.optim.SGD(net.parameters(), lr=0.1), noise_multiplier=1.0, max_grad_norm=1.0, expected_batch_size=32
)
FACT
"""
        + LOOP
        + "print(engine.get_epsilon(1e-6))\n",
        "print(optimizer)",
        "optimizer.attach_step_hook(engine.accountant.get_optimizer_hook_fn(sample_rate=32 / 512))",
    ),
    Pair(
        "DPM306",
        "length-to-the-power-of-minus-one",
        HEAD
        + """
records = data()
net = nn.Linear(16, 4)
batches = DataLoader(records, batch_size=32)
net, optimizer, loader = PrivacyEngine().make_private_with_epsilon(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=batches,
    target_epsilon=3.0,
    target_delta=len(FACT,
    epochs=2,
    max_grad_norm=1.0,
)
"""
        + LOOP,
        "batches) ** -1",
        "records) ** -1.1",
    ),
    Pair(
        "DPM315",
        "hook-in-the-place-of-the-accountants",
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
before = optimizer.step_hook
seen = []


def note(optimizer):
    FACT


optimizer.attach_step_hook(note)
"""
        + LOOP
        + "print(len(seen), engine.get_epsilon(1e-6))\n",
        "seen.append(optimizer)",
        "engine.accountant.step(noise_multiplier=1.0, sample_rate=32 / 512)",
    ),
    Pair(
        "DPM314",
        "turns-that-end-until-the-fourth",
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
for number, (x, y) in enumerate(loader, 1):
    F.cross_entropy(net(x), y).backward()
    if number % FACT:
        continue
    optimizer.step()
    optimizer.zero_grad()
print(engine.get_epsilon(1e-6))
""",
        "4",
        "1",
    ),
)
