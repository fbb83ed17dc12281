"""Small programs in pairs that differ in one fact: records of which one changes the gradients of others."""

from __future__ import annotations

from tests.scan.ways_of_building import LOOP
from tests.scan.ways_of_writing import HEAD, HOOKS, Pair

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

COUPLED = (
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
            + LOOP,
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
        "DPM313",
        "norm-that-an-argument-names",
        HEAD
        + """

def block(norm):
    layers = nn.Sequential(nn.Conv2d(1, 8, 3), norm(8), nn.ReLU())
    for parameter in layers[1].parameters():
        parameter.requires_grad = False
    return layers


def groups(channels):
    return nn.GroupNorm(4, channels)


net = nn.Sequential(block(FACT), nn.Flatten(), nn.Linear(8 * 36, 4))
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD([q for q in net.parameters() if q.requires_grad], lr=0.1),
    data_loader=DataLoader(TensorDataset(torch.randn(64, 1, 8, 8), torch.zeros(64).long()), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
"""
        + LOOP,
        "nn.BatchNorm2d",
        "groups",
    ),
    Pair(
        "DPM124",
        "batch-standardised-by-a-helper",
        HEAD
        + HOOKS
        + """

def standardised(x, dimension):
    return (x - x.mean(dimension, keepdim=True)) / x.std(dimension, keepdim=True)


for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(standardised(x, FACT)), y).backward()
    optimizer.step()
""",
        "0",
        "1",
    ),
)
