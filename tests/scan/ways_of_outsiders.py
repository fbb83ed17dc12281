"""Small programs in pairs that differ in one fact: as people write them who have not seen the rules."""

from __future__ import annotations

from tests.scan.ways_of_writing import HEAD, HOOKS, Pair

LOOP = """
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
"""

MODEL = """

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate, self.value, self.head = nn.Linear(16, 8), nn.Linear(16, 8), nn.Linear(8, 4)

    def forward(self, x):
        FACT
        return self.head(h)


net = Net()
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
"""

GHOST = """
net, optimizer, criterion, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    criterion=nn.CrossEntropyLoss(),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
    grad_sample_mode="ghost",
)
"""

OUTSIDE = (
    Pair(
        "DPM103",
        "gradient-of-the-input-alone",
        HEAD
        + "\nnet = nn.Linear(16, 4)\n"
        + GHOST
        + """
for x, y in loader:
    near = x.clone().requires_grad_(True)
    F.cross_entropy(net(near), y).backward()
    FACT
    criterion(net(x + 0.1 * near.grad.sign()), y).backward()
    optimizer.step()
    optimizer.zero_grad()
""",
        "print(near.grad.norm())",
        "optimizer.zero_grad()",
    ),
    Pair(
        "DPM118",
        "hooks-off-for-a-look",
        HEAD
        + "\nnet = nn.Linear(16, 4)\n"
        + GHOST
        + """

def look(x, y):
    net.disable_hooks()
    x = x.clone().requires_grad_(True)
    F.cross_entropy(net(x), y).backward()
    FACT
    return x.grad


for x, y in loader:
    optimizer.zero_grad()
    criterion(net(x), y).backward()
    optimizer.step()
    optimizer.zero_grad()
    look(x, y)
    optimizer.zero_grad()
""",
        "print(x.grad.norm())",
        "net.enable_hooks()",
    ),
    Pair(
        "DPM111",
        "flattened-by-a-function-of-torch",
        HEAD
        + """
from opacus.layers import DPLSTM


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.rnn = nn.Embedding(50, 16), DPLSTM(16, 16, batch_first=True)
        self.head = nn.Linear(16, 50)

    def forward(self, ids):
        return self.head(self.rnn(self.words(ids))[0])


net = Net()
"""
        + GHOST
        + """
for ids, _ in loader:
    optimizer.zero_grad()
    logits = net(ids[:, :-1])
    criterion(FACT).backward()
    optimizer.step()
""",
        "torch.flatten(logits, 0, 1), torch.reshape(ids[:, 1:], (-1,))",
        "torch.flatten(logits, 0, 1), torch.reshape(ids[:, 1:], (-1,)), shape=logits.shape",
    ),
    Pair(
        "DPM123",
        "optimizers-under-computed-keys",
        HEAD
        + """
net = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 4))
groups = {}
for name, parameter in net.named_parameters():
    groups.setdefault(name.split(".")[0], []).append(parameter)
optimizers = {part: torch.optim.SGD(group, lr=0.1) for part, group in groups.items()}
net, private, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=optimizers["2"],
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
for x, y in loader:
    private.zero_grad()
    optimizers["0"].zero_grad()
    F.cross_entropy(net(x), y).backward()
    private.step()
    FACT
""",
        'optimizers["0"].step()',
        'print(optimizers["0"])',
    ),
    Pair(
        "DPM124",
        "share-of-the-batch",
        HEAD + MODEL + LOOP,
        "h = torch.softmax(self.gate(x), dim=0) * self.value(x)",
        "h = torch.softmax(self.gate(x), dim=1) * self.value(x)",
        opacus="==1.6.0",
    ),
    Pair(
        "DPM124",
        "share-of-the-batch-or-of-weights",
        HEAD
        + MODEL.replace("super().__init__()", "super().__init__(); self.mix = nn.Parameter(torch.ones(8))")
        + LOOP,
        "h = F.softmax(self.gate(x), 0) * self.value(x)",
        "h = F.softmax(self.mix, 0) * self.value(x)",
        opacus="==1.6.0",
    ),
    Pair(
        "DPM124",
        "deviation-of-the-batch-beside",
        HEAD + MODEL + LOOP,
        "h = self.value(x) + x.std(dim=0).mean()",
        "h = self.value(x) + x.std(dim=1, keepdim=True)",
        opacus="==1.6.0",
    ),
    Pair(
        "DPM124",
        "views-of-each-record-in-one-batch",
        HEAD
        + HOOKS
        + """
for x, y in loader:
    optimizer.zero_grad()
    near = x + 0.1 * torch.randn_like(x)
    rows, labels = FACT
    F.cross_entropy(net(rows), labels).backward()
    optimizer.step()
""",
        "torch.cat([x, torch.clamp(x, -1, 1)]), torch.cat([y, y])",
        "torch.cat([x[:8], near[8:]]), y",
    ),
    Pair(
        "DPM124",
        "views-in-training-or-in-a-test",
        HEAD
        + HOOKS
        + """
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(FACT).view(-1, len(x), 8).mean(0), y).backward()
    optimizer.step()
    with torch.no_grad():
        print(net(torch.cat([x, x.flip(1)])).mean())
""",
        "torch.cat([x, x.flip(1)])",
        "x",
    ),
    Pair(
        "DPM104",
        "mean-of-what-the-library-gives",
        HEAD
        + """

class Clamped(nn.SmoothL1Loss):
    def forward(self, input, target):
        return FACT


net = nn.Sequential(nn.Linear(16, 1), nn.Flatten(0))
"""
        + GHOST.replace("nn.CrossEntropyLoss()", "Clamped()"),
        "super().forward(input, target).clamp(max=4.0).mean()",
        "super().forward(input, target).clamp(max=4.0)",
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
    *(
        Pair(
            "DPM124",
            name,
            HEAD
            + """
import numpy as np
import pandas as pd
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.under_sampling import RandomUnderSampler
from sklearn.utils import resample

frame = pd.read_csv("records.csv")
X, y = frame.to_numpy()[:, :16], frame.to_numpy()[:, 16]
FACT
records = TensorDataset(torch.from_numpy(X).float(), torch.from_numpy(y).long())
net = nn.Linear(16, 8)
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(records, batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
"""
            + LOOP,
            wrong,
            right,
        )
        for name, wrong, right in (
            (
                "drawn-again-or-left-out",
                "X, y = RandomOverSampler().fit_resample(X, y)",
                "X, y = RandomUnderSampler().fit_resample(X, y)",
            ),
            (
                "made-of-others-or-for-another-model",
                "X, y = SMOTE(k_neighbors=3).fit_resample(X, y)",
                "for_another = SMOTE(k_neighbors=3).fit_resample(X, y)",
            ),
            (
                "bootstrapped-or-shuffled",
                "X, y = resample(X, y, n_samples=5000)",
                "X, y = resample(X, y, replace=False)",
            ),
            (
                "frame-drawn-again-or-shuffled",
                "X = frame.sample(frac=2, replace=True).to_numpy()[:, :16]",
                "X = frame.sample(frac=1).to_numpy()[:, :16]",
            ),
            (
                "rows-or-columns-tiled",
                "X, y = np.tile(X, (2, 1)), np.concatenate([y, y])",
                "X = np.tile(X, (1, 2))[:, :16]",
            ),
        )
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
        "DPM403",
        "fields-of-a-named-tuple",
        HEAD
        + """
from typing import NamedTuple


class Private(NamedTuple):
    net: object
    optimizer: object
    FACT


net = nn.Linear(16, 4)
run = Private(*PrivacyEngine().make_private(
    module=net, optimizer=torch.optim.SGD(net.parameters(), lr=0.1), criterion=nn.CrossEntropyLoss(),
    data_loader=DataLoader(data(), batch_size=32), noise_multiplier=1.0, max_grad_norm=1.0,
    grad_sample_mode="ghost"
))
""",
        "loader: object",
        "criterion: object\n    loader: object",
    ),
)
