"""DPM301, private-loader-unused: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, HOOKS, ITEM, STEP, Pair

BESIDE = (
    HEAD
    + """
from ahead import CudaPrefetcher

records = DataLoader(data(), batch_size=32)
net = nn.Linear(16, 4)
engine = PrivacyEngine()
net, optimizer, loader = engine.make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=records,
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
"""
)

SET_UP = """
import argparse


class Client:
    def __init__(self, net, loader, private):
        self.net, self.loader, self.private = net, loader, private
        self.private_loader = None
        STATEMENT

    def make_plain(self):
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=0.1)

    def make_private(self):
        self.net, self.optimizer, self.private_loader = PrivacyEngine().make_private(
            module=self.net,
            optimizer=torch.optim.Adam(self.net.parameters()),
            data_loader=self.loader,
            noise_multiplier=1.0,
            max_grad_norm=1.0,
        )

    def train(self):
        for x, y in FACT:
            self.optimizer.zero_grad()
            F.cross_entropy(self.net(x), y).backward()
            self.optimizer.step()


parser = argparse.ArgumentParser()
parser.add_argument("--private", action="store_true")
client = Client(nn.Linear(16, 4), DataLoader(data(), batch_size=32), parser.parse_args().private)
for epoch in range(3):
    client.train()
"""

PAIRS = (
    Pair(
        "DPM301",
        "fetched-ahead",
        BESIDE + STEP.replace("in loader", "in CudaPrefetcher(FACT, depth=2)"),
        "records",
        "loader",
    ),
    Pair(
        "DPM301",
        "fetched-one-by-one",
        BESIDE
        + """
ahead = CudaPrefetcher(FACT)
x, y = ahead.next()
while x is not None:
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
    x, y = ahead.next()
""",
        "records",
        "loader",
    ),
    Pair(
        "DPM301",
        "what-an-evaluation-leaves-in-the-loss",
        HEAD
        + """
class Weighted:
    def __init__(self):
        self.before, self.last = torch.zeros(4), torch.zeros(4)

    def loss(self, scores, y):
        losses = F.cross_entropy(scores, y, reduction="none")
        self.last = self.last * 0.5 + losses.sum() * 0.5
        return losses.mean() + (self.before * losses.sum()).sum()


def epoch(loader, weighted, training):
    with FACT:
        for x, y in loader:
            loss = weighted.loss(net(x), y)
            if training:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()


records = data()
plain = DataLoader(records, batch_size=32)
net = nn.Linear(16, 4)
net, optimizer, private = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(records, batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
trained, evaluated = Weighted(), Weighted()
for number in range(5):
    epoch(private, trained, True)
    epoch(plain, evaluated, False)
    trained.before = evaluated.last
""",
        "torch.enable_grad()",
        "torch.set_grad_enabled(training)",
    ),
    Pair("DPM301", "an-item-that-was-tested", ITEM.replace("TEST", ">"), "drawn", "loader"),
    Pair(
        "DPM301",
        "engine-given-a-data-set-of-its-own-class",
        HEAD
        + """
class Replay(torch.utils.data.Dataset):
    def __init__(self, memory):
        self.memory = list(memory)

    def __len__(self):
        return len(self.memory)

    def __getitem__(self, number):
        return self.memory[number]


FACT = [(torch.randn(16), 0) for _ in range(512)]
stand_in = DataLoader(Replay(FACT), batch_size=32)
net = nn.Linear(16, 4)
net, optimizer, _ = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=stand_in,
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
memory = [(torch.randn(16), 1) for _ in range(512)]
for x, y in DataLoader(Replay(memory), batch_size=32):
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
""",
        "dummy",
        "public",
    ),
    Pair(
        "DPM301",
        "engine-given-other-data",
        HEAD
        + """
net = nn.Linear(16, 4)
batches = DataLoader(data(), batch_size=32)
stand_in = DataLoader(TensorDataset(torch.zeros(512, 16), torch.zeros(512)), batch_size=32)
net, optimizer, FACT
for x, y in batches:
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
""",
        """_ = PrivacyEngine().make_private(
    module=net, optimizer=torch.optim.SGD(net.parameters(), lr=0.1), data_loader=stand_in,
    noise_multiplier=1.0, max_grad_norm=1.0)""",
        """batches = PrivacyEngine().make_private(
    module=net, optimizer=torch.optim.SGD(net.parameters(), lr=0.1), data_loader=batches,
    noise_multiplier=1.0, max_grad_norm=1.0)""",
    ),
    Pair(
        "DPM301",
        "yielded-by-a-generator",
        HEAD
        + HOOKS.replace(
            "net, optimizer, loader = make(",
            "public = DataLoader(data(), batch_size=32)\nnet, optimizer, loader = make(",
        )
        .replace("    loader = DataLoader(data(), batch_size=32)\n", "")
        .replace("data_loader=loader", "data_loader=public")
        + """
def batches(source):
    for epoch in range(3):
        yield from source


for x, y in batches(FACT):
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
""",
        "public",
        "loader",
    ),
    Pair(
        "DPM301",
        "class-that-goes-over-a-loader",
        HEAD
        + """
class Ahead:
    def __init__(self, source):
        self.source = source

    def __iter__(self):
        for batch in self.source:
            yield tuple(part.to("cpu") for part in batch)


public = DataLoader(data(), batch_size=32)
net = nn.Linear(16, 4)
net, optimizer, private = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=public,
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
for x, y in Ahead(FACT):
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
""",
        "public",
        "private",
    ),
    Pair(
        "DPM301",
        "loader-of-a-data-module-asked-for-again",
        HEAD
        + """
import lightning


class Records(lightning.LightningDataModule):
    def setup(self, stage):
        self.records = data()

    def train_dataloader(self):
        return DataLoader(self.records, batch_size=32)


class Net(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(16, 4)

    def configure_optimizers(self):
        self.net, optimizer, loader = PrivacyEngine().make_private(
            module=self.net,
            optimizer=torch.optim.SGD(self.net.parameters(), lr=0.1),
            data_loader=self.trainer.datamodule.train_dataloader(),
            noise_multiplier=1.0,
            max_grad_norm=1.0,
        )
        FACT
        return optimizer

    def training_step(self, batch, number):
        return F.cross_entropy(self.net(batch[0]), batch[1])


lightning.Trainer(max_epochs=3).fit(Net(), datamodule=Records())
""",
        "print(len(loader))",
        "self.trainer.datamodule.train_dataloader = lambda: loader",
    ),
    *(
        Pair("DPM301", f"set-up-by-{name}", HEAD + SET_UP.replace("STATEMENT", statement), wrong, right)
        for name, statement, wrong, right in (
            (
                "a-conditional-expression",
                "self.make_private() if self.private else self.make_plain()",
                "self.loader",
                "self.private_loader or self.loader",
            ),
            (
                "an-operator",
                "self.private and self.make_private()\n        self.private or self.make_plain()",
                "self.loader",
                "self.private_loader or self.loader",
            ),
        )
    ),
)
