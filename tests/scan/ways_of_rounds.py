"""Small programs in pairs that differ in one fact: what goes on from round to round, and what is kept."""

from __future__ import annotations

from tests.scan.ways_of_building import PRIVATE
from tests.scan.ways_of_writing import HEAD, Pair

GOING_ON = (
    Pair(
        "DPM304",
        "weights-as-one-vector",
        HEAD
        + """
from torch.nn.utils import parameters_to_vector, vector_to_parameters

shared = parameters_to_vector(nn.Linear(16, 4).parameters()).detach()
for round_number in range(5):
    vectors = []
    for client in range(3):
        net = nn.Linear(16, 4)
        FACT
        engine = PrivacyEngine()
        net, optimizer, loader = engine.make_private(
            module=net,
            optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
            data_loader=DataLoader(data(), batch_size=32),
            noise_multiplier=1.0,
            max_grad_norm=1.0,
        )
        for x, y in loader:
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
        print(engine.get_epsilon(1e-5))
        vectors.append(parameters_to_vector(net.parameters()).detach())
    shared = torch.stack(vectors).mean(dim=0)
""",
        "vector_to_parameters(shared, net.parameters())",
        "pass",
    ),
    Pair(
        "DPM304",
        "two-engines-on-the-model-of-a-trial",
        HEAD
        + """
net = nn.Linear(16, 4)
for trial in range(5):
    FACT
    first, second = PrivacyEngine(), PrivacyEngine()
    net, one, loader_of_one = first.make_private(
        module=net,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
        data_loader=DataLoader(data(), batch_size=32),
        noise_multiplier=1.0,
        max_grad_norm=1.0,
    )
    net, two, loader_of_two = second.make_private(
        module=net,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
        data_loader=DataLoader(data(), batch_size=32),
        noise_multiplier=1.0,
        max_grad_norm=1.0,
    )
    for loader, optimizer in ((loader_of_one, one), (loader_of_two, two)):
        for x, y in loader:
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
    print(first.get_epsilon(1e-5), second.get_epsilon(1e-5))
""",
        "pass",
        "net = nn.Linear(16, 4)",
    ),
    Pair(
        "DPM304",
        "the-best-weights-of-a-job-private-or-not",
        HEAD
        + """
class Trainer:
    def __init__(self, net, private):
        self.net, self.private, self.best = net, private, None
        self.optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        self.engine = PrivacyEngine()

    def fit(self, loader):
        if self.private:
            self.net, self.optimizer, loader = self.engine.make_private(
                module=self.net,
                optimizer=self.optimizer,
                data_loader=loader,
                noise_multiplier=1.0,
                max_grad_norm=1.0,
            )
        best = 0.0
        for epoch in range(3):
            for x, y in loader:
                self.optimizer.zero_grad()
                loss = F.cross_entropy(self.net(x), y)
                loss.backward()
                self.optimizer.step()
            if loss.item() > best:
                best = loss.item()
                self.best = {k: v.clone() for k, v in self.net.state_dict().items()}
            if self.private:
                print(self.engine.get_epsilon(1e-5))
        if self.best is not None:
            self.net.load_state_dict(self.best)


def main(args):
    net = nn.Linear(16, 4)
    for job in range(args.jobs):
        FACT
        Trainer(net, args.private).fit(DataLoader(data(), batch_size=32))
""",
        "pass",
        "net = nn.Linear(16, 4)",
    ),
    Pair(
        "DPM304",
        "changes-added-to-the-server-s-weights",
        HEAD
        + """
def one(net, part):
    before = {k: v.clone() for k, v in net.state_dict().items()}
    engine = PrivacyEngine()
    private, optimizer, loader = engine.make_private(
        module=net,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
        data_loader=DataLoader(part, batch_size=32),
        noise_multiplier=1.0,
        max_grad_norm=1.0,
    )
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(private(x), y).backward()
        optimizer.step()
    print(engine.get_epsilon(1e-5))
    return {k: v - before[k] for k, v in net.state_dict().items()}


shared = nn.Linear(16, 4).state_dict()
for round_number in range(5):
    for client in range(3):
        net = nn.Linear(16, 4)
        FACT
        change = one(net, data())
        for k in shared:
            shared[k] = shared[k] + change[k] / 3
""",
        "net.load_state_dict(shared)",
        "pass",
    ),
    Pair(
        "DPM307",
        "table-of-records",
        PRIVATE
        + """
import pandas as pd
history = []
for epoch in range(4):
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
    history.append({"epoch": epoch, "loss": loss.item(), "eps": engine.get_epsilon(1e-5)})
frame = pd.DataFrame(history)
print(FACT)
""",
        'frame["eps"].mean()',
        'frame["eps"].max()',
    ),
    Pair(
        "DPM307",
        "dict-of-lists-by-default",
        PRIVATE
        + """
from collections import defaultdict
history = defaultdict(list)
for epoch in range(4):
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
    history["loss"].append(loss.item())
    history["eps"].append(engine.get_epsilon(1e-5))
print(FACT)
""",
        'sum(history["eps"]) / len(history["eps"])',
        'history["eps"][-1]',
    ),
    Pair(
        "DPM109",
        "gradient-held-by-a-variable",
        HEAD
        + """
def norm(model):
    return sum(p.grad.norm() ** 2 for p in model.parameters()) ** 0.5


def clip(model, limit=1.0):
    total = norm(model)
    for p in model.parameters():
        if p.grad is not None:
            g = p.grad.data
            g.mul_(limit / (total + 1e-6))


class Trainer:
    def __init__(self, model):
        self.engine = PrivacyEngine()
        self.model, self.opt, self.loader = self.engine.make_private(
            module=model,
            optimizer=torch.optim.Adam(model.parameters()),
            data_loader=DataLoader(data(), batch_size=64),
            noise_multiplier=1.0,
            max_grad_norm=1.0,
        )

    def fit(self, epochs):
        for _ in range(epochs):
            for x, y in self.loader:
                self.opt.zero_grad()
                F.cross_entropy(self.model(x), y).backward()
                FACT
                self.opt.step()


Trainer(nn.Linear(16, 4)).fit(2)
""",
        "clip(self.model)",
        "norm(self.model)",
    ),
    Pair(
        "DPM122",
        "penalty-by-a-method-of-the-model",
        HEAD
        + """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(16, 8), nn.Linear(8, 4)

    def regulariser(self):
        total = 0.0
        for layer in (self.first, self.second):
            total = total + layer.weight.pow(2).sum()
        return 0.01 * total

    def scale(self):
        return 0.01 * self.first.out_features

    def forward(self, x):
        return self.second(torch.relu(self.first(x)))


net = Net()
private, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=64),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
for x, y in loader:
    optimizer.zero_grad()
    loss = F.cross_entropy(private(x), y) + FACT
    loss.backward()
    optimizer.step()
""",
        "net.regulariser()",
        "net.scale()",
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
        "DPM310",
        "accountant-saved-and-not-loaded",
        HEAD
        + """
from pathlib import Path

CHECKPOINT = Path("runs") / "last.pt"
engine = PrivacyEngine()
net = nn.Linear(16, 4)
if CHECKPOINT.exists():
    state = torch.load(CHECKPOINT, map_location="cpu")
    FACT
net, optimizer, loader = engine.make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=64),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
for epoch in range(3):
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    kept = {"net": net._module.state_dict(), "accountant": engine.accountant.state_dict()}
    torch.save(kept, CHECKPOINT)
print(engine.get_epsilon(1e-5))
""",
        'net.load_state_dict(state["net"])',
        'net.load_state_dict(state["net"]); engine.accountant.load_state_dict(state["accountant"])',
    ),
)
