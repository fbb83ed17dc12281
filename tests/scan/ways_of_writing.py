"""Small programs in pairs that differ in one fact, with which a rule holds or not: what is summed, DPM1xx."""

from __future__ import annotations

from typing import NamedTuple

HEAD = """
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from opacus import PrivacyEngine
from opacus.utils.batch_memory_manager import BatchMemoryManager


def data():
    return TensorDataset(torch.randn(512, 16), torch.randint(0, 4, (512,)))
"""

HOOKS = """
def make(net, optimizer, **options):
    options.update(noise_multiplier=1.0, max_grad_norm=1.0)
    loader = DataLoader(data(), batch_size=32)
    return PrivacyEngine().make_private(module=net, optimizer=optimizer, data_loader=loader, **options)


net = nn.Linear(16, 8)
net, optimizer, loader = make(net, torch.optim.SGD(net.parameters(), lr=0.1))
"""

GHOST = """
net = Net()
net, optimizer, criterion, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    criterion=CRITERION,
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
    grad_sample_mode="ghost",
)
for x, y in loader:
    optimizer.zero_grad()
    criterion(net(x), y).backward()
    optimizer.step()
"""


class Pair(NamedTuple):
    """A program with a word for the one fact, and both of what can stand for it."""

    rule: str
    name: str
    program: str
    wrong: str
    right: str
    opacus: str = ">=1.5.4"

    def __str__(self) -> str:
        return f"{self.rule}-{self.name}"


def _module(forward: str, layers: str) -> str:
    body = "\n".join(f"        {line}" for line in forward.strip().splitlines())
    made = "\n".join(f"        {line}" for line in layers.strip().splitlines())
    return (
        f"class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n{made}\n\n"
        f"    def forward(self, x):\n{body}\n"
    )


def _ghost(forward: str, layers: str, criterion: str = "nn.CrossEntropyLoss()") -> str:
    return HEAD + "\n\n" + _module(forward, layers) + GHOST.replace("CRITERION", criterion)


ATTENTION = """
self.embed = nn.Embedding(100, 16)
self.q, self.k, self.v = (nn.Linear(16, 16, bias=FACT) for _ in range(3))
self.head = nn.Linear(16, 4)
"""

OF_THE_SUM = (
    Pair(
        "DPM105",
        "a-loss-for-each-of-several-outputs",
        _ghost(
            "return self.decode(torch.relu(self.encode(x)))FACT",
            """
self.encode, self.decode = nn.Linear(16, 4), nn.Linear(4, 16)""",
            "nn.MSELoss()",
        ),
        "",
        ".mean(dim=1)",
    ),
    Pair(
        "DPM112",
        "attention-of-ones-own",
        _ghost(
            "h = self.embed(x)\nscores = self.q(h) @ self.k(h).transpose(-2, -1)\n"
            "return self.head((torch.softmax(scores, -1) @ h)[:, 0])",
            "self.embed = nn.Embedding(100, 16)\nself.q = nn.Linear(16, 16, bias=FACT)\n"
            "self.k = nn.Linear(16, 16, bias=FACT)\nself.head = nn.Linear(16, 4)",
        ),
        "True",
        "False",
        "==1.5.3",
    ),
    Pair(
        "DPM112",
        "features-after-flattening",
        _ghost(
            "return self.head(self.narrow(self.embed(x)FACT).view(len(x), -1))",
            "self.embed = nn.Embedding(100, 16)\nself.narrow, self.head = nn.Linear(16, 4), nn.Linear(28, 4)",
        ),
        "",
        ".flatten(1)).repeat(1, 7",
        "==1.5.3",
    ),
    Pair(
        "DPM112",
        "blocks-in-a-list",
        HEAD
        + """

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(16, 32, bias=FACT), nn.GELU(), nn.Linear(32, 16, bias=FACT))

    def forward(self, x):
        return x + self.inner(x)


"""
        + _module(
            "h = self.embed(x)\nfor block in self.blocks:\n    h = block(h)\nreturn self.head(h.mean(dim=1))",
            "self.embed = nn.Embedding(100, 16)\nself.blocks = nn.ModuleList([Block() for _ in range(2)])\n"
            "self.head = nn.Linear(16, 4)",
        )
        + GHOST.replace("CRITERION", "nn.CrossEntropyLoss()"),
        "True",
        "False",
        "==1.5.3",
    ),
    Pair(
        "DPM122",
        "terms-stacked",
        HEAD
        + HOOKS
        + """
def penalty():
    return torch.stack([p.pow(2).sum() for p in FACT]).sum()


for x, y in loader:
    optimizer.zero_grad()
    (F.cross_entropy(net(x), y) + penalty()).backward()
    optimizer.step()
""",
        "net.parameters()",
        "torch.ones(3)",
    ),
    Pair(
        "DPM123",
        "optimizers-in-a-list",
        HEAD
        + """
body, head = nn.Linear(16, 8), nn.Linear(8, 4)
optimizers = [torch.optim.Adam(body.parameters()), torch.optim.SGD(head.parameters(), lr=0.1)]
net, optimizers[1], loader = PrivacyEngine().make_private(
    module=nn.Sequential(body, head),
    optimizer=optimizers[1],
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
for x, y in loader:
    F.cross_entropy(net(x), y).backward()
    for each in FACT:
        each.step()
        each.zero_grad()
""",
        "optimizers",
        "optimizers[1:]",
    ),
    Pair(
        "DPM124",
        "mixup-by-a-helper",
        HEAD
        + HOOKS
        + """
def mixed(batch, share):
    order = torch.randperm(batch.size(0))
    return share * batch + (1 - share) * FACT


for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(mixed(x, 0.3)), y).backward()
    optimizer.step()
""",
        "batch[order]",
        "batch.abs()",
    ),
    Pair(
        "DPM124",
        "batch-turned-round",
        HEAD
        + HOOKS
        + """
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(0.5 * x + 0.5 * x.flip(FACT)), y).backward()
    optimizer.step()
""",
        "0",
        "1",
    ),
    Pair(
        "DPM124",
        "all-compared-with-all-by-a-criterion",
        HEAD
        + HOOKS
        + """
class Alike(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("anchors", torch.randn(4, 8))

    def forward(self, z, y):
        return F.cross_entropy(torch.matmul(z, FACT.T), y)


alike = Alike()
for x, y in loader:
    optimizer.zero_grad()
    alike(net(x), y).backward()
    optimizer.step()
""",
        "z",
        "self.anchors",
    ),
    Pair(
        "DPM117",
        "weight-of-a-norm-by-element",
        _ghost("return FACT", "self.inner = nn.Linear(16, 4)\nself.norm = nn.LayerNorm(4)"),
        "self.inner(x) * self.norm.weight",
        "self.norm(self.inner(x))",
    ),
    Pair(
        "DPM108",
        "end-of-a-context-manager",
        HEAD
        + "import contextlib\n"
        + HOOKS
        + """
@contextlib.contextmanager
def step_behind():
    FACT
    optimizer.step()


for x, y in loader:
    with step_behind():
        F.cross_entropy(net(x), y).backward()
""",
        "yield\n    optimizer.zero_grad()",
        "optimizer.zero_grad()\n    yield",
    ),
    Pair(
        "DPM115",
        "mean-in-hooks-mode",
        HEAD
        + HOOKS.replace("lr=0.1))", 'lr=0.1), loss_reduction="sum")')
        + """
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(x), y, reduction=FACT).backward()
    optimizer.step()
""",
        '"mean"',
        '"sum"',
    ),
    Pair(
        "DPM123",
        "step-of-another-before-the-private-one",
        HEAD
        + HOOKS
        + """
another = torch.optim.Adam(net.parameters())
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    for each in FACT:
        each.step()
""",
        "(another, optimizer)",
        "(optimizer, another)",
    ),
    Pair(
        "DPM109",
        "gradients-of-the-optimizer-s-groups",
        HEAD
        + HOOKS
        + """
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    nn.utils.clip_grad_norm_(FACT, 1.0)
    optimizer.step()
""",
        'optimizer.param_groups[0]["params"]',
        "nn.Linear(4, 2).parameters()",
    ),
    Pair(
        "DPM120",
        "scaler-of-the-optimizer-that-was-passed-in",
        HEAD
        + """
net = nn.Linear(16, 8)
passed_in = torch.optim.SGD(net.parameters(), lr=0.1)
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=passed_in,
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
scaler = torch.amp.GradScaler(enabled=False)
for x, y in loader:
    optimizer.zero_grad()
    scaler.scale(F.cross_entropy(net(x), y)).backward()
    scaler.step(FACT)
""",
        "passed_in",
        "optimizer",
    ),
    Pair(
        "DPM124",
        "those-at-risk-in-a-loss-of-survival",
        HEAD
        + HOOKS
        + """
for x, y in loader:
    optimizer.zero_grad()
    risk = net(x)[:, 0]
    (FACT - risk).mean().backward()
    optimizer.step()
""",
        "torch.logcumsumexp(risk, dim=0)",
        "torch.logcumsumexp(net(x), dim=1)[:, -1]",
    ),
)
