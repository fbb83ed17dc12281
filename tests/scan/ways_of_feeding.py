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
    after(
        "an-adversary-within-the-loop",
        """
for x, y in private:
    xa, ya = next(iter(BATCHES))
    xa.requires_grad_(True)
    criterion(net(xa), ya).backward()
    attack = xa.grad.sign()
    opt.zero_grad()
    criterion(net(x), y).backward()
    opt.step()
""",
        NEVER,
    ),
    after(
        "a-shadow-model",
        """
for x, y in private:
    opt.zero_grad()
    criterion(net(x), y).backward()
    opt.step()
shadow = nn.Linear(4, 2)
shadow_opt = optim.SGD(shadow.parameters(), lr=0.1)
for x, y in BATCHES:
    shadow_opt.zero_grad()
    criterion(shadow(x), y).backward()
    shadow_opt.step()
""",
        NEVER,
    ),
    after(
        "an-attack-model-on-the-outputs",
        """
attack = nn.Linear(2, 2)
attack_opt = optim.SGD(attack.parameters(), lr=0.1)
for x, y in private:
    opt.zero_grad()
    criterion(net(x), y).backward()
    opt.step()
for x, y in BATCHES:
    attack_opt.zero_grad()
    criterion(attack(net(x).detach()), y).backward()
    attack_opt.step()
""",
        NEVER,
    ),
    Feeding(
        "a-warm-up-before",
        HEAD
        + f"""
for x, y in BATCHES:
    {step()}
{PRIVATE}
for x, y in private:
    {step()}""",
        {"public": "", "raw": ""},
    ),
    Feeding(
        "a-warm-up-each-round",
        HEAD
        + """
for seed in range(3):
    net = nn.Linear(4, 2)
    plain = optim.SGD(net.parameters(), lr=0.1)
    for x, y in BATCHES:
        plain.zero_grad()
        criterion(net(x), y).backward()
        plain.step()
    engine = PrivacyEngine()
    model, opt, private = engine.make_private(
        module=net, optimizer=optim.SGD(net.parameters(), lr=0.1), data_loader=raw, noise_multiplier=1.0,
        max_grad_norm=1.0,
    )
    for x, y in private:
        opt.zero_grad()
        criterion(model(x), y).backward()
        opt.step()
""",
        {"public": "", "raw": ""},
    ),
    after(
        "two-models-of-which-one-is-private",
        """
other = nn.Linear(4, 2)
other_opt = optim.SGD(other.parameters(), lr=0.1)
for (x, y), (xo, yo) in zip(private, BATCHES):
    opt.zero_grad()
    criterion(net(x), y).backward()
    opt.step()
    other_opt.zero_grad()
    criterion(other(xo), yo).backward()
    other_opt.step()
""",
        NEVER,
    ),
    after(
        "both-of-two-loaders",
        """
for (x, y), (xo, yo) in zip(private, BATCHES):
    opt.zero_grad()
    loss = criterion(net(x), y) + criterion(net(xo), yo)
    loss.backward()
    opt.step()
""",
        {"raw": "definite", "public": "", "private": ""},
    ),
    after(
        "one-batch-out-of-two",
        """
for (x, y), (xo, yo) in zip(private, BATCHES):
    opt.zero_grad()
    criterion(net(torch.cat([x, xo])), torch.cat([y, yo])).backward()
    opt.step()
""",
        {"raw": "possible", "public": ""},
    ),
    after(
        "beside-a-loader-that-only-counts",
        f"for (x, y), _ in zip(BATCHES, private):\n    {step()}",
    ),
    after("only-a-length-is-taken", f"for _, (x, y) in zip(BATCHES, private):\n    {step()}", NEVER),
    after(
        "a-gan",
        """
generator = nn.Linear(3, 4)
generator_opt = optim.Adam(generator.parameters())
for real, _ in BATCHES:
    opt.zero_grad()
    fake = generator(torch.randn(real.size(0), 3))
    loss = criterion(net(real), torch.ones(len(real))) + criterion(net(fake.detach()), torch.zeros(len(real)))
    loss.backward()
    opt.step()
    generator_opt.zero_grad()
    criterion(net(fake), torch.ones(len(real))).backward()
    generator_opt.step()
""",
    ),
    after(
        "only-sizes-of-it",
        """
for other, _ in BATCHES:
    fake = torch.randn(other.size(0), 4)
    opt.zero_grad()
    criterion(net(fake), torch.zeros(len(other), dtype=torch.long)).backward()
    opt.step()
""",
        NEVER,
    ),
    after(
        "a-teacher-on-another-loader",
        """
teacher = nn.Linear(4, 2)
for (x, y), (xo, _) in zip(private, BATCHES):
    opt.zero_grad()
    F.mse_loss(net(x), teacher(xo).detach()).backward()
    opt.step()
""",
        NEVER,
    ),
    after(
        "an-encoder-before",
        """
encoder = nn.Linear(4, 4)
for x, y in BATCHES:
    with torch.no_grad():
        z = encoder(x)
    opt.zero_grad()
    criterion(net(z), y).backward()
    opt.step()
""",
    ),
    after(
        "features-kept-in-a-list",
        f"""
encoder = nn.Linear(4, 4)
features = []
for x, y in BATCHES:
    features.append((encoder(x).detach(), y))
for x, y in features:
    {step()}""",
    ),
    after(
        "accumulated",
        """
for i, (x, y) in enumerate(BATCHES):
    (criterion(net(x), y) / 4).backward()
    if (i + 1) % 4 == 0:
        opt.step()
        opt.zero_grad()
""",
    ),
    after(
        "a-closure",
        """
for x, y in BATCHES:
    def closure():
        opt.zero_grad()
        loss = criterion(net(x), y)
        loss.backward()
        return loss

    opt.step(closure)
""",
    ),
    Feeding(
        "private-where-asked-for",
        HEAD
        + f"""
parser = argparse.ArgumentParser()
parser.add_argument("--dp", action="store_true")
args = parser.parse_args()
if args.dp:
    net, opt, private = engine.make_private(
        module=net, optimizer=opt, data_loader=raw, noise_multiplier=1.0, max_grad_norm=1.0
    )
loader = private if args.dp else raw
for x, y in BATCHES:
    {step()}""",
        {"raw": "definite", "loader": ""},
    ),
    Feeding(
        "moved-where-asked-for",
        HEAD
        + """
parser = argparse.ArgumentParser()
parser.add_argument("--dp", action="store_true")
args = parser.parse_args()
private = raw
if args.dp:
    net, opt, private = engine.make_private(
        module=net, optimizer=opt, data_loader=raw, noise_multiplier=1.0, max_grad_norm=1.0
    )


def train(model, loader, optimizer):
    for x, y in loader:
        x, y = x.to(device), y.to(device)
        optimizer.zero_grad()
        out = model(x)
        criterion(out, y).backward()
        optimizer.step()


for epoch in range(3):
    train(net, BATCHES, opt)
""",
        {"raw": "definite", "private": ""},
    ),
    Feeding(
        "a-manager-where-asked-for",
        HEAD
        + PRIVATE
        + f"""
parser = argparse.ArgumentParser()
parser.add_argument("--physical", type=int)
args = parser.parse_args()
if args.physical:
    with BatchMemoryManager(data_loader=BATCHES, max_physical_batch_size=args.physical, optimizer=opt) as few:
        for x, y in few:
            {step(3)}
else:
    for x, y in private:
        {step(2)}""",
        {"raw": "possible", "private": ""},
    ),
    Feeding(
        "clients",
        HEAD
        + """
class Client:
    def __init__(self, data):
        self.model = nn.Linear(4, 2)
        self.raw = DataLoader(data, batch_size=8)
        self.engine = PrivacyEngine()
        self.model, self.optimizer, self.private = self.engine.make_private(
            module=self.model, optimizer=optim.SGD(self.model.parameters(), lr=0.1), data_loader=self.raw,
            noise_multiplier=1.0, max_grad_norm=1.0,
        )

    def train(self):
        for x, y in self.BATCHES:
            self.optimizer.zero_grad()
            criterion(self.model(x), y).backward()
            self.optimizer.step()


clients = [Client(part) for part in torch.utils.data.random_split(dataset, [32, 32])]
for turn in range(3):
    for client in clients:
        client.train()
""",
        EITHER,
    ),
    Feeding(
        "a-flower-client",
        HEAD
        + """
import flwr as fl


def train(model, loader, optimizer, epochs):
    for _ in range(epochs):
        for x, y in loader:
            optimizer.zero_grad()
            criterion(model(x), y).backward()
            optimizer.step()


class Client(fl.client.NumPyClient):
    def __init__(self, trainloader, testloader):
        self.raw, self.testloader = trainloader, testloader
        self.model = nn.Linear(4, 2)
        optimizer = optim.SGD(self.model.parameters(), lr=0.1)
        self.engine = PrivacyEngine()
        self.model, self.optimizer, self.private = self.engine.make_private(
            module=self.model, optimizer=optimizer, data_loader=self.raw, noise_multiplier=1.0,
            max_grad_norm=1.0,
        )

    def fit(self, parameters, config):
        train(self.model, self.BATCHES, self.optimizer, 1)
        return [], len(self.raw), {}

    def evaluate(self, parameters, config):
        for x, y in self.raw:
            criterion(self.model(x), y)
        return 0.0, 1, {}


fl.client.start_numpy_client(server_address="localhost:1", client=Client(raw, public))
""",
        EITHER,
    ),
    Feeding(
        "lightning",
        HEAD
        + """
import pytorch_lightning as pl


class Lit(pl.LightningModule):
    def __init__(self, loader):
        super().__init__()
        self.net = nn.Linear(4, 2)
        self.raw = loader
        self.engine = PrivacyEngine()

    def training_step(self, batch, batch_idx):
        x, y = batch
        return criterion(self.net(x), y)

    def train_dataloader(self):
        return self.BATCHES

    def configure_optimizers(self):
        optimizer = optim.SGD(self.net.parameters(), lr=0.1)
        self.net, optimizer, self.private = self.engine.make_private(
            module=self.net, optimizer=optimizer, data_loader=self.raw, noise_multiplier=1.0,
            max_grad_norm=1.0,
        )
        return optimizer


pl.Trainer(max_epochs=1).fit(Lit(raw))
""",
        EITHER,
    ),
    Feeding(
        "lightning-drops-the-loader",
        HEAD
        + """
import pytorch_lightning as pl


class Lit(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(4, 2)
        self.engine = PrivacyEngine()

    def training_step(self, batch, batch_idx):
        x, y = batch
        return criterion(self.net(x), y)

    def configure_optimizers(self):
        return optim.SGD(self.net.parameters(), lr=0.1)

    def on_train_start(self):
        self.net, optimizer, kept = self.engine.make_private(
            module=self.net, optimizer=self.optimizers(), data_loader=self.trainer.train_dataloader,
            noise_multiplier=1.0, max_grad_norm=1.0,
        )
        BATCHES


pl.Trainer(max_epochs=1).fit(Lit(), raw)
""",
        {"pass": "definite"},
    ),
    after(
        "a-copy-of-the-loader",
        f"for x, y in DataLoader(BATCHES, batch_size=4):\n    {step()}",
        {"dataset": "definite", "public.dataset": ""},
    ),
    after(
        "record-by-record",
        f"for x, y in BATCHES:\n    {step()}",
        {"dataset": "definite"},
    ),
    after(
        "items-of-the-data-set",
        f"for i in range(64):\n    x, y = dataset[i]\n    {step()}",
        {"-": "definite"},
    ),
    after(
        "the-first-batch-to-look-at",
        f"x, y = next(iter(BATCHES))\nprint(x.shape, net(x).shape)\nfor x, y in private:\n    {step()}",
        NEVER,
    ),
    after(
        "mean-of-a-loader",
        """
mean = torch.stack([x.mean(0) for x, _ in BATCHES]).mean(0)
for x, y in private:
    opt.zero_grad()
    criterion(net(x - mean), y).backward()
    opt.step()
""",
        {"raw": "possible", "public": ""},
    ),
    after(
        "what-one-pass-leaves",
        """
for x, y in private:
    opt.zero_grad()
    criterion(net(x), y).backward()
    opt.step()
for x, y in BATCHES:
    out = net(x)
    loss = criterion(out, y)
    print(loss.item())
""",
        NEVER,
    ),
    after(
        "a-seen-loader-decides",
        f"""
def pick(dp):
    return private if dp else BATCHES


for x, y in pick(True):
    {step()}""",
        NEVER,
    ),
    *(
        Feeding(
            f"a-batch-or-something-else-{name}",
            HEAD
            + """
parser = argparse.ArgumentParser()
parser.add_argument("--other", action="store_true")
args = parser.parse_args()
"""
            + PRIVATE
            + f"""
for (x, y), (z, _) in zip(private, BATCHES):
    opt.zero_grad()
    given = z if args.other else torch.randn(4, 4)
    criterion({forward}, y).backward()
    opt.step()
""",
            {"raw": "possible", "public": "", "private": ""},
        )
        for name, forward in (
            ("by-itself", "net(given)"),
            ("by-a-function", "net(F.normalize(given))"),
            ("by-code-outside", "net(outside(given))"),
            ("in-a-list", "net([given, 1])"),
            ("in-a-dict", "net({'input': given})"),
            ("by-arithmetic", "net(given * 2 + 1)"),
            ("by-a-method", "net(given.view(-1, 4))"),
        )
    ),
    *(
        Feeding(
            f"one-batch-or-the-other-{name}",
            HEAD
            + """
parser = argparse.ArgumentParser()
parser.add_argument("--other", action="store_true")
args = parser.parse_args()
"""
            + PRIVATE
            + f"""
for (x, y), (z, _) in zip(private, BATCHES):
    opt.zero_grad()
    out = net(z) if args.other else net(x)
    loss = {loss}
    loss.backward()
    opt.step()
""",
            {"raw": "possible", "public": ""},
        )
        for name, loss in (
            ("by-a-criterion", "criterion(out, y)"),
            ("by-functions", "F.nll_loss(torch.log_softmax(out, 1), y)"),
            ("by-arithmetic", "((out - y) ** 2).mean()"),
            ("by-code-outside", "outside(out, y).mean()"),
        )
    ),
    Feeding(
        "outside-loaders",
        """
from opacus import PrivacyEngine


def train(model, optimizer, criterion, raw):
    model, optimizer, private = PrivacyEngine().make_private(
        module=model, optimizer=optimizer, data_loader=raw, noise_multiplier=1.0, max_grad_norm=1.0
    )
    for x, y in BATCHES:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
""",
        {"raw": "possible", "private": ""},  # nobody says that it is not None
    ),
)
