"""Small programs in pairs that differ in one fact: what stands in loops, generators and options."""

from __future__ import annotations

from tests.scan.ways_of_writing import HEAD, HOOKS, Pair

GHOST = """
net, optimizer, criterion, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    criterion=CRITERION(),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
    grad_sample_mode="ghost",
)
"""
STEPS = """
for x, y in loader:
    optimizer.zero_grad()
    criterion(net(x), y).backward()
    optimizer.step()
"""
MIXED = """
def changed(x, y):
    order = torch.randperm(len(x))
    return FACT, y


for x, y in loader:
    x, y = changed(x, y)
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
"""
MANAGED = """
def handed_on(batches):
    for x, y in batches:
        FACT


with BatchMemoryManager(data_loader=loader, max_physical_batch_size=8, optimizer=optimizer) as batches:
    for x, y in handed_on(batches):
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
"""

IN_TURNS = (
    *(
        Pair(
            "DPM105",
            f"column-of-layers-made-{name}",
            HEAD
            + f"""
class Net(nn.Module):
    def __init__(self, widths):
        super().__init__()
        layers = []
        {loop}
            layers += [{layer}, nn.Tanh()]
        self.body = nn.Sequential(*layers[:-1])

    def forward(self, x):
        return FACT


net = Net([16, 8, 1])
"""
            + GHOST.replace("CRITERION", "nn.HuberLoss")
            + STEPS,
            "self.body(x)",
            "self.body(x).squeeze(-1)",
        )
        for name, loop, layer in (
            ("of-pairs", "for before, behind in zip(widths, widths[1:]):", "nn.Linear(before, behind)"),
            ("by-number", "for i in range(len(widths) - 1):", "nn.Linear(widths[i], widths[i + 1])"),
        )
    ),
    Pair(
        "DPM106",
        "parts-that-a-generator-hands-on",
        HEAD
        + "\nnet = nn.Linear(16, 4)\n"
        + GHOST.replace("CRITERION", "nn.CrossEntropyLoss")
        + """
def parts(x, y):
    yield from FACT


for x, y in loader:
    optimizer.zero_grad()
    for some, wanted in parts(x, y):
        criterion(net(some), wanted).backward()
    optimizer.step()
""",
        "zip(x.chunk(4), y.chunk(4))",
        "[(x, y)]",
    ),
    Pair(
        "DPM112",
        "options-of-a-block",
        HEAD
        + """
class Block(nn.Module):
    def __init__(self, width, **options):
        super().__init__()
        self.layer = nn.Linear(width, width, **options)

    def forward(self, h):
        return self.layer(h)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(30, 16)
        self.block = Block(16FACT)
        self.head = nn.Linear(16, 4)

    def forward(self, x):
        return self.head(self.block(self.words(x)).mean(dim=1))


net = Net()
"""
        + GHOST.replace("CRITERION", "nn.CrossEntropyLoss")
        + STEPS,
        "",
        ", bias=False",
        "==1.5.3",
    ),
    *(
        Pair(
            "DPM124",
            f"statistic-{name}",
            HEAD
            + f"""
class Standardised(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, x):
        {statistic}
        return (x - mean) / (deviation + 1e-5)


net = nn.Sequential(nn.Linear(16, 8), Standardised(FACT), nn.Linear(8, 4))
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
criterion = nn.CrossEntropyLoss()
"""
            + STEPS,
            "0",
            "1",
        )
        for name, statistic in (
            (
                "over-a-dimension-of-its-own",
                "mean, deviation = x.mean(self.dim, keepdim=True), x.std(self.dim, keepdim=True)",
            ),
            (
                "and-deviation-at-once",
                "deviation, mean = torch.std_mean(x, dim=self.dim, keepdim=True)",
            ),
        )
    ),
    *(
        Pair("DPM124", f"parts-of-others-{name}", HEAD + HOOKS + MIXED, wrong, right)
        for name, wrong, right in (
            (
                "joined",
                "torch.cat([x[:, :8], x[order][:, 8:]], dim=1)",
                "torch.cat([x[:, 8:], x[:, :8]], dim=1)",
            ),
            (
                "chosen",
                "torch.where(torch.rand_like(x) < 0.1, x[order], x)",
                "torch.where(torch.rand_like(x) < 0.1, torch.zeros_like(x), x)",
            ),
        )
    ),
    *(
        Pair("DPM302", f"left-out-by-a-generator-{name}", HEAD + HOOKS + MANAGED, wrong, right)
        for name, wrong, right in (
            ("that-tests", "if len(x):\n            yield x, y", "print(len(x))\n        yield x, y"),
            (
                "that-goes-on",
                "if x.shape[0] == 0:\n            continue\n        yield x, y",
                "if x.shape[0] == 0:\n            print('empty')\n        yield x, y",
            ),
        )
    ),
    Pair(
        "DPM313",
        "frozen-by-a-method-and-a-name",
        HEAD
        + """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(16, 8), FACT(8), nn.ReLU())
        self.head = nn.Linear(8, 4)
        for name, p in self.named_parameters():
            p.requires_grad_(name.startswith("head"))

    def forward(self, x):
        return self.head(self.body(x))


net = Net()
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.head.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
criterion = nn.CrossEntropyLoss()
"""
        + STEPS,
        "nn.BatchNorm1d",
        "nn.LayerNorm",
    ),
    *(
        Pair(
            "DPM124",
            f"records-more-than-once-{name}",
            HEAD
            + """
import numpy as np
from torch.utils.data import ConcatDataset, Subset, random_split
from torchvision.datasets import CIFAR10

x, y = torch.randn(512, 16), torch.randint(0, 4, (512,))
one, other = TensorDataset(x, y), data()
positions, order = list(range(100)), np.arange(100)
net = nn.Linear(16, 4)
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(FACT, batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
criterion = nn.CrossEntropyLoss()
"""
            + STEPS,
            wrong,
            right,
        )
        for name, wrong, right in (
            ("joined", "ConcatDataset([one, one])", "ConcatDataset([one, other])"),
            ("listed", "ConcatDataset([one] * 3)", "ConcatDataset([one] * 1)"),
            ("added", "one + one", "one + other"),
            ("added-and-split", "random_split(one + other + one, [500, 1036])[0]", "one + other"),
            ("positions", "Subset(one, positions * 3)", "Subset(one, positions)"),
            (
                "glued",
                "Subset(one, np.concatenate([order, order]))",
                "Subset(one, np.concatenate([order, order + 100]))",
            ),
            ("drawn", "Subset(one, np.repeat(positions, 2))", "Subset(one, np.sort(positions))"),
            (
                "rows",
                "TensorDataset(torch.cat([x, x]), torch.cat([y, y]))",
                "TensorDataset(torch.cat([x, x], 1), y)",
            ),
            ("copies", "TensorDataset(x.repeat(2, 1), y.repeat(2))", "TensorDataset(x.repeat(1, 2), y)"),
            ("each-twice", "TensorDataset(x.repeat_interleave(2, 0), y)", "TensorDataset(x.flip(0), y)"),
            (
                "rows-of-numpy",
                "TensorDataset(np.concatenate([x, x]), y)",
                "TensorDataset(np.concatenate([x, x], 1), y)",
            ),
            (
                "views",
                "ConcatDataset([CIFAR10('r', True), CIFAR10('r', True, transform=abs)])",
                "ConcatDataset([CIFAR10('r', True), CIFAR10('r', False, transform=abs)])",
            ),
        )
    ),
    Pair(
        "DPM314",
        "batches-of-a-generator",
        HEAD
        + HOOKS
        + """
def moved(batches, where):
    for x, y in batches:
        yield x.to(where), y.to(where)


FACT:
    for i, (some, wanted) in enumerate(pieces):
        optimizer.signal_skip_step(do_skip=(i + 1) % 4 != 0)
        F.cross_entropy(net(some), wanted).backward()
        optimizer.step()
        optimizer.zero_grad()
""",
        'for pieces in [moved(loader, "cpu")]',
        'for pieces in (zip(x.chunk(4), y.chunk(4)) for x, y in moved(loader, "cpu"))',
    ),
    Pair(
        "DPM314",
        "batches-that-a-method-draws",
        HEAD
        + HOOKS
        + """
class Training:
    def __init__(self):
        self.batches = iter(loader)

    def draw(self):
        try:
            return next(self.batches)
        except StopIteration:
            self.batches = iter(loader)
            return next(self.batches)

    def run(self, turns):
        for i in range(turns):
            x, y = self.draw()
            optimizer.signal_skip_step(do_skip=FACT)
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
            optimizer.zero_grad()


Training().run(100)
""",
        "(i + 1) % 4 != 0",
        "False",
    ),
    *(
        Pair(
            "DPM124",
            f"one-batch-in-an-inner-loop-{name}",
            HEAD
            + """
net = nn.Linear(16, 4)
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
    poisson_sampling=False,
)
for x, y in loader:
    optimizer.zero_grad()
    for INNER:
        FIRST
        F.cross_entropy(net(some + torch.randn_like(some)), wanted).backward()
    optimizer.step()
""".replace("INNER", inner).replace("FIRST", first),
            wrong,
            right,
        )
        for name, inner, first, wrong, right in (
            (
                "cleared",
                "_ in range(3)",
                "some, wanted = x, y\n        FACT",
                "pass",
                "optimizer.zero_grad()",
            ),
            ("once", "_ in range(FACT)", "some, wanted = x, y", "2", "1"),
            ("stepped", "_ in range(3)", "some, wanted = x, y\n        FACT", "pass", "optimizer.step()"),
        )
    ),
    Pair(
        "DPM124",
        "pieces-in-an-inner-loop",
        HEAD
        + """
net = nn.Linear(16, 4)
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
    poisson_sampling=False,
)
for x, y in loader:
    optimizer.zero_grad()
    for i in range(4):
        F.cross_entropy(net(FACT), FACT2).backward()
    optimizer.step()
""".replace("FACT2", "y[: 8]"),
        "x[: 8]",
        "x[i * 8 : (i + 1) * 8]",
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
)
