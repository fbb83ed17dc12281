"""Small programs in pairs that differ in one fact: where the numbers of generators begin."""

from __future__ import annotations

from tests.scan.ways_of_building import LOOP
from tests.scan.ways_of_writing import HEAD, HOOKS, Pair

SEEDED = (
    Pair(
        "DPM201",
        "seed-that-may-be-missing",
        HEAD
        + """
import secrets


def made(seed):
    generator = torch.Generator()
    if seed is not None:
        generator.manual_seed(seed)
    return generator


net = nn.Linear(16, 8)
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
    noise_generator=made(FACT),
)
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
""",
        "None",
        "secrets.randbits(63)",
    ),
    Pair(
        "DPM204",
        "seed-of-a-name",
        HEAD
        + """
import os
import zlib

generator = torch.Generator().manual_seed(zlib.crc32(FACT))
"""
        + HOOKS.replace("loader = make(net, ", "loader = make(net, noise_generator=generator, optimizer=")
        + LOOP,
        'b"the study of 2024"',
        "os.urandom(8)",
    ),
    Pair(
        "DPM204",
        "number-of-a-client-worked-out",
        HEAD
        + """
class Client:
    def __init__(self, cid):
        self.cid = int(cid)
        generator = torch.Generator()
        generator.manual_seed(FACT)
        net = nn.Linear(16, 8)
        self.net, self.optimizer, self.loader = PrivacyEngine().make_private(
            module=net,
            optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
            data_loader=DataLoader(data(), batch_size=32),
            noise_multiplier=1.0,
            max_grad_norm=1.0,
            noise_generator=generator,
        )


for number in range(3):
    Client(number)
""",
        "1000 + self.cid",
        "torch.seed() + self.cid",
    ),
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
        + LOOP.replace("\n", "\n    ")
        + """

settings = json.load(open("settings.json"))
seed = settings["seed"]
for turn in range(5):
    epoch(FACT)
""",
        "seed",
        "seed + turn",
    ),
)
