"""DPM124, examples-coupled: statistics of a batch, in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, HOOKS, STEP, STEPS, Pair

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

PAIRS = (
    *(
        Pair(
            "DPM124",
            f"standardised-by-a-helper-{name}",
            HEAD
            + HOOKS
            + f"""
def standardised(z):
    {first}
    return (z - middle) / (z.std(1, keepdim=True) + 1e-5)


for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(standardised(net(x)), y).backward()
    optimizer.step()
""",
            "0",
            "1",
        )
        for name, first in (
            ("keyword", "middle = z.mean(dim=FACT, keepdim=True)"),
            ("function", "middle = torch.mean(z, FACT, keepdim=True)"),
            ("two-at-once", "middle, spread = z.mean(FACT), z.std(1)"),
        )
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
    Pair(
        "DPM124",
        "share-of-the-batch",
        HEAD + MODEL + STEP,
        "h = torch.softmax(self.gate(x), dim=0) * self.value(x)",
        "h = torch.softmax(self.gate(x), dim=1) * self.value(x)",
        opacus="==1.6.0",
    ),
    Pair(
        "DPM124",
        "share-of-the-batch-or-of-weights",
        HEAD
        + MODEL.replace("super().__init__()", "super().__init__(); self.mix = nn.Parameter(torch.ones(8))")
        + STEP,
        "h = F.softmax(self.gate(x), 0) * self.value(x)",
        "h = F.softmax(self.mix, 0) * self.value(x)",
        opacus="==1.6.0",
    ),
    Pair(
        "DPM124",
        "deviation-of-the-batch-beside",
        HEAD + MODEL + STEP,
        "h = self.value(x) + x.std(dim=0).mean()",
        "h = self.value(x) + x.std(dim=1, keepdim=True)",
        opacus="==1.6.0",
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
    *(
        Pair(
            "DPM124",
            f"standardised-over-everything-{name}",
            HEAD
            + HOOKS
            + """
for x, y in loader:
    optimizer.zero_grad()
    value = net(x)[:, 0]
    advantage = FACT
    (F.log_softmax(net(x), 1)[:, 1] * advantage).mean().backward()
    optimizer.step()
""",
            wrong,
            "(value - value.tanh()) / (value.abs() + 1e-8)",
        )
        for name, wrong in (
            ("mean", "value - value.mean()"),
            ("deviation", "value / (torch.std(value) + 1e-8)"),
        )
    ),
    Pair(
        "DPM124",
        "standardised-over-everything-in-a-model",
        HEAD + MODEL + STEP,
        "h = self.value(x); h = h - h.mean()",
        "h = self.value(x); w = self.gate.weight; w = w - w.mean()",
        opacus="==1.6.0",
    ),
    Pair(
        "DPM124",
        "covariance-of-the-batch",
        HEAD
        + HOOKS
        + """
for x, y in loader:
    optimizer.zero_grad()
    z = net(x)
    (F.cross_entropy(z, y) + 0.01 * FACT).backward()
    optimizer.step()
""",
        "torch.cov(z.T).pow(2).sum()",
        "z.pow(2).sum(1).mean()",
    ),
)
