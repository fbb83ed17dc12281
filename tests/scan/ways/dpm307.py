"""DPM307, epsilon-misreported: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import CLIENT, HEAD, PRIVATE, Pair

PAIRS = (
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
        "DPM307",
        "percentile-of-epsilons",
        HEAD
        + """
import numpy as np


def spent_on(part):
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


print(np.percentile([spent_on(data()) for _ in range(4)], FACT))
""",
        "50",
        "100",
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
        "DPM307",
        "mean-of-what-each-epoch-cost",
        PRIVATE
        + """
spent = [0.0]
for epoch in range(5):
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    spent.append(engine.get_epsilon(1e-5))
costs = [after - before for before, after in zip(spent, spent[1:])]
print("epsilon:", FACT)
""",
        "sum(costs) / len(costs)",
        "sum(costs)",
    ),
    Pair(
        "DPM307",
        "put-into-an-array",
        HEAD
        + """
import numpy as np


def trained(records):
    net, engine = nn.Linear(16, 4), PrivacyEngine()
    net, optimizer, loader = engine.make_private(
        module=net,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
        data_loader=DataLoader(records, batch_size=32),
        noise_multiplier=1.0,
        max_grad_norm=1.0,
    )
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    return net, engine.get_epsilon(1e-5)


parts = [data(), data(), data()]
epsilons = np.zeros(len(parts))
for i, records in enumerate(parts):
    _, epsilons[i] = trained(records)
print(epsilons.FACT())
""",
        "mean",
        "max",
    ),
)
