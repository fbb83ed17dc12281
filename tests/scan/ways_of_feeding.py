"""Small programs in which batches of one loader or another go into a private model, each with its twin.

``told`` says what is true of each: "definite" where it trains on another loader in every execution,
"possible" where it may or where nobody can know, "" where it never does.
"""

from __future__ import annotations

from typing import NamedTuple

HEAD = """\
import argparse
import copy
import itertools

import torch
import torch.nn.functional as F
from elsewhere import outside
from opacus import PrivacyEngine
from opacus.utils.batch_memory_manager import BatchMemoryManager
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset
from tqdm import tqdm

device = torch.device("cpu")
dataset = TensorDataset(torch.randn(64, 4), torch.randint(0, 2, (64,)))
public = DataLoader(TensorDataset(torch.randn(32, 4), torch.randint(0, 2, (32,))), batch_size=8)
raw = DataLoader(dataset, batch_size=8)
criterion = nn.CrossEntropyLoss()
net = nn.Linear(4, 2)
opt = optim.SGD(net.parameters(), lr=0.1)
engine = PrivacyEngine()
"""
PRIVATE = """
net, opt, private = engine.make_private(
    module=net, optimizer=opt, data_loader=raw, noise_multiplier=1.0, max_grad_norm=1.0
)
"""
STEP = """\
opt.zero_grad()
{at}criterion(net(x), y).backward()
{at}opt.step()
"""


def step(depth: int = 1) -> str:
    """The statements of a step, in a block of some depth."""
    return STEP.format(at="    " * depth)


class Feeding(NamedTuple):
    """A program, with BATCHES for the loader that is meant, and what is true of it for each."""

    name: str
    text: str
    told: dict[str, str]

    def programs(self) -> list[tuple[str, str, str]]:
        """Name, text, and what is true, once for each loader."""
        return [
            (f"{self.name}: {said}", self.text.replace("BATCHES", said), true)
            for said, true in self.told.items()
        ]


EITHER = {"raw": "definite", "private": ""}
NEVER = {"raw": "", "private": ""}


def after(name: str, text: str, told: dict[str, str] | None = None) -> Feeding:
    """What comes after the private objects were made."""
    return Feeding(name, HEAD + PRIVATE + text, told or EITHER)


FEEDINGS = (
    after("for", f"for x, y in BATCHES:\n    {step()}"),
    after("next-of-iter-in-a-loop", f"for i in range(10):\n    x, y = next(iter(BATCHES))\n    {step()}"),
    after(
        "iterator-kept-in-a-variable",
        f"batches = iter(BATCHES)\nfor i in range(4):\n    x, y = next(batches)\n    {step()}",
    ),
    after(
        "iterator-made-anew",
        f"""
batches = iter(BATCHES)
for i in range(20):
    try:
        x, y = next(batches)
    except StopIteration:
        batches = iter(BATCHES)
        x, y = next(batches)
    {step()}""",
    ),
    after("one-batch-kept", f"x, y = next(iter(BATCHES))\nfor i in range(10):\n    {step()}"),
    after("enumerate", f"for i, (x, y) in enumerate(BATCHES):\n    {step()}"),
    after("tqdm", f"for x, y in tqdm(BATCHES, desc='train'):\n    {step()}"),
    after("enumerate-of-tqdm", f"for i, batch in enumerate(tqdm(BATCHES)):\n    x, y = batch\n    {step()}"),
    after("islice", f"for x, y in itertools.islice(BATCHES, 4):\n    {step()}"),
    after("cycle", f"for i, (x, y) in zip(range(9), itertools.cycle(BATCHES)):\n    {step()}"),
    after("chain", f"for x, y in itertools.chain(BATCHES, BATCHES):\n    {step()}"),
    after(
        "to-the-device",
        f"""
for batch in BATCHES:
    x, y = (t.to(device) for t in batch)
    x = x.view(x.size(0), -1)
    {step()}""",
    ),
    after(
        "items-by-number",
        f"for batch in BATCHES:\n    x = batch[0].float()\n    y = batch[1].long()\n    {step()}",
    ),
    after("list-of-batches", f"kept = [b for b in BATCHES]\nfor x, y in kept:\n    {step()}"),
    after(
        "list-of-a-loader", f"kept = list(BATCHES)\nfor i in range(9):\n    x, y = kept[i % 3]\n    {step()}"
    ),
    after(
        "a-generator",
        f"""
def batches_of(loader):
    while True:
        for batch in loader:
            yield batch


stream = batches_of(BATCHES)
for i in range(9):
    x, y = next(stream)
    {step()}""",
    ),
    after(
        "a-generator-that-moves",
        f"""
def moved(loader):
    for x, y in loader:
        yield x.to(device), y.to(device)


for x, y in moved(BATCHES):
    {step()}""",
    ),
    after(
        "a-helper-takes-the-batch",
        f"""
def train_on(batch):
    x, y = batch
    {step()}


for batch in BATCHES:
    train_on(batch)
""",
    ),
    after(
        "a-helper-gives-the-batch",
        f"""
def fetch(loader):
    return next(iter(loader))


for i in range(5):
    x, y = fetch(BATCHES)
    {step()}""",
    ),
    after(
        "kept-in-an-attribute",
        f"""
class Trainer:
    def __init__(self, loader):
        self.loader = loader

    def draw(self):
        self.batch = next(iter(self.loader))

    def learn(self):
        x, y = self.batch
        {step(2)}

trainer = Trainer(BATCHES)
for i in range(3):
    trainer.draw()
    trainer.learn()
""",
    ),
    after(
        "a-method-of-a-trainer",
        f"""
class Trainer:
    def __init__(self, train_loader, test_loader):
        self.loaders = {{"train": train_loader, "test": test_loader}}

    def fit(self):
        for x, y in self.loaders["train"]:
            {step(3)}

Trainer(BATCHES, public).fit()
""",
    ),
    after(
        "dict-of-loaders",
        f"""
loaders = {{"train": BATCHES, "test": public}}
for epoch in range(2):
    for x, y in loaders["train"]:
        {step(2)}""",
    ),
    after(
        "phases",
        """
loaders = {"train": BATCHES, "val": raw}
for phase in ["train", "val"]:
    for x, y in loaders[phase]:
        loss = criterion(net(x), y)
        if phase == "train":
            opt.zero_grad()
            loss.backward()
            opt.step()
""",
    ),
    after(
        "items-of-a-dict-of-loaders",
        f"""
for name, loader in {{"one": BATCHES}}.items():
    for x, y in loader:
        {step(2)}""",
    ),
    after(
        "list-of-loaders",
        f"for loader in [private, BATCHES]:\n    for x, y in loader:\n        {step(2)}",
    ),
    after(
        "dict-batches",
        """
class Wordy(nn.Module):
    pass


for batch in BATCHES:
    batch = {k: v.to(device) for k, v in batch.items()}
    opt.zero_grad()
    out = net(**batch)
    out.loss.backward()
    opt.step()
""",
    ),
    after(
        "dict-batch-by-key",
        """
for batch in BATCHES:
    opt.zero_grad()
    out = net(input_ids=batch["input_ids"].to(device), labels=batch["labels"].to(device))
    out.loss.backward()
    opt.step()
""",
    ),
    after(
        "a-function-of-the-loader",
        f"def train(loader):\n    for x, y in loader:\n        {step(2)}\n\ntrain(BATCHES)\n",
    ),
    after(
        "a-wrapper-that-returns-its-argument",
        f"""
def prefetch(loader):
    return loader


for x, y in prefetch(BATCHES):
    {step()}""",
    ),
    after(
        "a-class-that-goes-over-a-loader",
        f"""
class Moving:
    def __init__(self, loader):
        self.loader = loader

    def __iter__(self):
        for x, y in self.loader:
            yield x.to(device), y.to(device)


for x, y in Moving(BATCHES):
    {step()}""",
    ),
    after(
        "memory-manager",
        f"""
with BatchMemoryManager(data_loader=BATCHES, max_physical_batch_size=4, optimizer=opt) as batches:
    for x, y in batches:
        {step(2)}""",
    ),
    after(
        "evaluation-on-the-loader-passed-in",
        f"""
for x, y in private:
    {step()}    print(len(x))
with torch.no_grad():
    for x, y in BATCHES:
        print((net(x).argmax(1) == y).float().mean(), criterion(net(x), y).item())
""",
        NEVER,
    ),
    after(
        "evaluation-within-the-loop",
        f"""
for i, (x, y) in enumerate(private):
    {step()}    xt, yt = next(iter(BATCHES))
    print(criterion(net(xt), yt).item())
""",
        NEVER,
    ),
    after(
        "gradients-that-nothing-steps-on",
        f"""
for x, y in private:
    {step()}
norms = []
for x, y in BATCHES:
    net.zero_grad()
    criterion(net(x), y).backward()
    norms.append(sum(p.grad.norm() for p in net.parameters()))
""",
        NEVER,
    ),
)
