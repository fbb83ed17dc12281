"""Small programs in pairs of which one has a fault in a layer, a loss or a number that others are made of."""

from __future__ import annotations

from tests.scan.ways_of_writing import HEAD, HOOKS, Pair
from tests.scan.ways_round_about import STEP

WITHIN = (
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
        "DPM104",
        "focal-loss-of-a-mean",
        HEAD
        + """
class Focal(nn.Module):
    def __init__(self, gamma=2.0, reduction="mean"):
        super().__init__()
        self.gamma, self.reduction = gamma, reduction

    def forward(self, logits, target):
        one = F.cross_entropy(logits, target, FACT)
        loss = (1 - torch.exp(-one)) ** self.gamma * one
        if self.reduction == "mean":
            return loss.mean()
        return loss


net = nn.Linear(16, 4)
net, optimizer, criterion, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    criterion=Focal(),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
    grad_sample_mode="ghost",
)
for x, y in loader:
    optimizer.zero_grad()
    criterion(net(x), y).backward()
    optimizer.step()
""",
        "label_smoothing=0.1",
        'reduction="none"',
    ),
    *(
        Pair(
            "DPM105",
            f"column-of-layers-{name}",
            HEAD
            + f"""
from collections import OrderedDict

net = {made}
net, optimizer, criterion, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    criterion=nn.BCEWithLogitsLoss(),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
    grad_sample_mode="ghost",
)
for x, y in loader:
    optimizer.zero_grad()
    criterion(net(x), y.float().unsqueeze(1)).backward()
    optimizer.step()
""",
            "",
            ', ("flat", nn.Flatten(0))' if "Ordered" in made else '\nnet.add_module("flat", nn.Flatten(0))',
        )
        for name, made in (
            ("added", 'nn.Sequential(nn.ReLU())\nnet.add_module("last", nn.Linear(16, 1))FACT'),
            ("named", 'nn.Sequential(OrderedDict([("first", nn.ReLU()), ("last", nn.Linear(16, 1))FACT]))'),
        )
    ),
    Pair(
        "DPM306",
        "batches-counted-by-division",
        HEAD
        + """
records = data()
steps = len(records) // 32
net = nn.Linear(16, 4)
engine = PrivacyEngine()
net, optimizer, loader = engine.make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(records, batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
"""
        + STEP
        + "print(engine.get_epsilon(FACT))\n",
        "1.0 / steps",
        "1.0 / len(records) ** 1.5",
    ),
    Pair(
        "DPM124",
        "standardising-layer-in-a-list",
        HEAD
        + """
class Standardised(nn.Module):
    def forward(self, h):
        return (h - h.mean(FACT, keepdim=True)) / 2


net = nn.Sequential(nn.Linear(16, 8), Standardised(), nn.Linear(8, 4))
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
"""
        + STEP,
        "0",
        "1",
    ),
    Pair(
        "DPM316",
        "rank-of-a-matrix-deals-nothing-out",
        HEAD
        + """
import torch.distributed as dist
from opacus.distributed import DifferentiallyPrivateDistributedDataParallel

dist.init_process_group("gloo")
low_rank = 4
mine = dist.get_rank()
records = torch.randn(512, 16)
records = records[FACT]
net = DifferentiallyPrivateDistributedDataParallel(nn.Linear(16, 4))
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(TensorDataset(records, torch.zeros(512).long()), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
    poisson_sampling=False,
)
"""
        + STEP,
        "low_rank:",
        "mine::2",
    ),
    Pair(
        "DPM311",
        "optimizer-from-outside-steps-where-privacy-failed",
        HEAD
        + """
def private_or_not(net, optimizer, loader):
    engine = None
    try:
        engine = PrivacyEngine()
        net, optimizer, loader = engine.make_private(
            module=net, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0
        )
    except Exception as error:
        print("no privacy:", error)
        FACT
    return net, optimizer, loader, engine


def main(net, optimizer, loader):
    net, optimizer, loader, engine = private_or_not(net, optimizer, loader)
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    if engine:
        print(engine.get_epsilon(1e-5))
""",
        "engine = None",
        "raise SystemExit(1)",
    ),
    *(
        Pair(
            "DPM311",
            f"privacy-failed-and-{name}",
            f"{HEAD}{before}"
            + """
net = nn.Linear(16, 4)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
loader = DataLoader(data(), batch_size=32)
try:
    net, optimizer, loader = PrivacyEngine().make_private(
        module=net, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0
    )
except Exception as error:
    print("no privacy:", error)
    FACT
"""
            + STEP,
            "pass",
            leaves,
        )
        for name, before, leaves in (
            ("the-program-ends", "import sys\n", "sys.exit(1)"),
            (
                "usage-is-shown",
                "import argparse\nparser = argparse.ArgumentParser()\n",
                'parser.error("none")',
            ),
            (
                "a-function-ends-it",
                "import sys\n\n\ndef give_up(why):\n    sys.exit(why)\n\n\n",
                "give_up(error)",
            ),
        )
    ),
    Pair(
        "DPM208",
        "no-noise-as-a-hyperparameter",
        HEAD
        + """
import lightning


class Net(lightning.LightningModule):
    def __init__(self, sigma):
        super().__init__()
        self.save_hyperparameters()
        self.layer = nn.Linear(16, 4)

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.layer.parameters(), lr=0.1)
        self.layer, optimizer, self.loader = PrivacyEngine().make_private(
            module=self.layer,
            optimizer=optimizer,
            data_loader=DataLoader(data(), batch_size=32),
            noise_multiplier=self.hparams.sigma,
            max_grad_norm=1.0,
        )
        return optimizer

    def train_dataloader(self):
        return self.loader

    def training_step(self, batch, number):
        x, y = batch
        return F.cross_entropy(self.layer(x), y)


lightning.Trainer(max_epochs=3).fit(Net(FACT))
""",
        "0.0",
        "1.1",
    ),
)
