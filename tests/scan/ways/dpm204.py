"""DPM204, constant-noise-seed: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, HOOKS, PRIVATE, STEP, Pair

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
    + STEP
)

PAIRS = (
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
        PRIVATE + "optimizer.generator = torch.Generator()\nFACT\n" + STEP,
        "optimizer.generator.manual_seed(3)",
        "optimizer.generator.seed()",
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
        + STEP,
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
        "DPM204",
        "in-a-file-of-settings-or-drawn",
        HEAD
        + """
import secrets

import yaml


def main(path):
    with open(path) as file:
        settings = yaml.safe_load(file)
    net = nn.Linear(16, 4)
    net, optimizer, loader = PrivacyEngine().make_private(
        module=net,
        optimizer=torch.optim.SGD(net.parameters(), lr=settings["lr"]),
        data_loader=DataLoader(data(), batch_size=32),
        noise_multiplier=1.0,
        max_grad_norm=1.0,
        noise_generator=torch.Generator().manual_seed(FACT),
    )
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
""",
        'settings["privacy"]["seed"]',
        "secrets.randbits(60)",
    ),
    Pair(
        "DPM204",
        "hash-by-default-or-to-be-given",
        HEAD
        + """
import argparse
import zlib

parser = argparse.ArgumentParser()
parser.add_argument("--noise-seed", type=int, FACT)
args = parser.parse_args()
net = nn.Linear(16, 4)
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
    noise_generator=torch.Generator().manual_seed(args.noise_seed),
)
""",
        "default=zlib.crc32(b'noise')",
        "required=True",
    ),
)
