"""Small programs in pairs that differ in one fact: which records and batches are trained on."""

from __future__ import annotations

from tests.scan.ways_of_writing import HEAD, HOOKS, Pair

DRAWN = (
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
        "DPM302",
        "step-left-out-for-a-loss",
        HEAD
        + HOOKS
        + """
for epoch in range(3):
    with BatchMemoryManager(data_loader=loader, max_physical_batch_size=8, optimizer=optimizer) as batches:
        for x, y in batches:
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), y)
            if not torch.isfinite(loss):
                FACT
            loss.backward()
            optimizer.step()
""",
        "continue",
        "print(loss)",
    ),
    Pair(
        "DPM302",
        "loop-left-in-each-epoch-or-for-good",
        HEAD
        + HOOKS
        + """
for epoch in range(3):
    with BatchMemoryManager(data_loader=loader, max_physical_batch_size=8, optimizer=optimizer) as batches:
        for number, (x, y) in enumerate(batches):
            if number == 20:
                break
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
    FACT
""",
        "print(epoch)",
        "break",
    ),
    *(
        Pair(
            "DPM302",
            f"loop-left-behind-the-step-{name}",
            HEAD
            + HOOKS
            + f"""
for epoch in range(3):
    with BatchMemoryManager(data_loader=loader, max_physical_batch_size=8, optimizer=optimizer) as batches:
        for number, (x, y) in enumerate(batches):
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
            if {test}:
                break
    {end}
""",
            wrong,
            right,
        )
        for name, test, end, wrong, right in (
            ("in-each-epoch-or-for-good", "number == 20", "FACT", "print(epoch)", "break"),
            (
                "anywhere-or-where-it-was-one",
                "FACT",
                "pass",
                "number > 20",
                "not optimizer._is_last_step_skipped",
            ),
        )
    ),
    Pair(
        "DPM303",
        "sampler-in-a-batch-sampler",
        HEAD
        + """
from torch.utils.data import BatchSampler, RandomSampler, SubsetRandomSampler

records = data()
batches = BatchSampler(FACT, batch_size=32, drop_last=False)
net = nn.Linear(16, 4)
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(records, batch_sampler=batches),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
""",
        "SubsetRandomSampler(range(100))",
        "RandomSampler(records)",
    ),
    Pair(
        "DPM308",
        "result-joined-to-a-tuple",
        HEAD
        + """
def make(net, **options):
    engine = PrivacyEngine()
    loader = DataLoader(data(), batch_size=32)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    options.update(noise_multiplier=1.0, max_grad_norm=1.0)
    made = engine.make_private(module=net, optimizer=optimizer, data_loader=loader, **options)
    return (engine,) + tuple(made)


engine, net, optimizer, loader = make(nn.Linear(16, 4), poisson_sampling=FACT)
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
print(engine.get_epsilon(1e-5))
""",
        "False",
        "True",
    ),
    Pair(
        "DPM308",
        "default-that-is-set-later",
        HEAD
        + """
import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--poisson", action="store_true")
parser.set_defaults(poisson=FACT)
net = nn.Linear(16, 4)
engine = PrivacyEngine()
net, optimizer, loader = engine.make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
    poisson_sampling=parser.parse_args().poisson,
)
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
print(engine.get_epsilon(1e-6))
""",
        "False",
        "True",
    ),
)
