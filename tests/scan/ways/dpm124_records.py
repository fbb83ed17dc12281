"""DPM124, examples-coupled: records that are there more than once, in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, HOOKS, STEP, STEPS, Pair

PAIRS = (
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
            + STEP,
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
    *(
        Pair(
            "DPM124",
            f"rows-chosen-twice-{name}",
            HEAD
            + """
import pandas as pd

frame = pd.read_csv("records.csv")
x, y = torch.randn(512, 16), torch.randint(0, 4, (512,))
FACT
net = nn.Linear(16, 8)
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(TensorDataset(x, y), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
"""
            + STEP,
            wrong,
            right,
        )
        for name, wrong, right in (
            (
                "or-put-in-another-order",
                "x, y = torch.cat([x, x[y == 3]]), torch.cat([y, y[y == 3]])",
                "x, y = torch.cat([x[y == 3], x[y != 3]]), torch.cat([y[y == 3], y[y != 3]])",
            ),
            (
                "in-a-frame-or-its-columns",
                "x = torch.tensor(pd.concat([frame, frame[frame.label == 3]]).values)",
                "x = torch.tensor(pd.concat([frame, frame[frame.columns]], axis=1).values)",
            ),
        )
    ),
    Pair(
        "DPM124",
        "data-set-of-ones-own-and-itself",
        HEAD
        + """
from torch.utils.data import Dataset


class Rows(Dataset):
    def __init__(self, number):
        self.x, self.y = torch.randn(number, 16), torch.randint(0, 4, (number,))

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        return self.x[index], self.y[index]


rows = Rows(256)
net = nn.Linear(16, 4)
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(rows + FACT, batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
"""
        + STEP,
        "rows",
        "Rows(256)",
    ),
)
