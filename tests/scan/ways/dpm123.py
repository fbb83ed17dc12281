"""DPM123, second-optimizer: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, HOOKS, PRIVATE, Pair

PAIRS = (
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
        "DPM123",
        "what-came-back-is-thrown-away",
        HEAD
        + """
net = nn.Linear(16, 4)
loader = DataLoader(data(), batch_size=32)
stepped = torch.optim.SGD(net.parameters(), lr=0.1)
engine = PrivacyEngine()
FACTengine.make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=loader,
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
for x, y in loader:
    stepped.zero_grad()
    F.cross_entropy(net(x), y).backward()
    stepped.step()
""",
        "",
        "net, stepped, loader = ",
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
        "DPM123",
        "parameter-that-a-module-makes-by-itself",
        HEAD
        + """

class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(16, 4)
        self.scale = nn.Parameter(torch.ones(4))

    def forward(self, x):
        return self.body(x) * self.scale


net = Scaled()
beside = torch.optim.Adam([net.scale], lr=0.01)
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.body.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
for x, y in loader:
    net.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
    FACT
""",
        "beside.step()",
        "beside.zero_grad()",
    ),
    Pair(
        "DPM123",
        "asked-whether-it-is-the-private-one",
        HEAD
        + """
net = nn.Sequential(nn.Linear(16, 8), nn.Linear(8, 4))
head = torch.optim.Adam(net[1].parameters())
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
for x, y in loader:
    for each in (head, optimizer):
        each.zero_grad()
    F.cross_entropy(net(x), y).backward()
    for each in (head, optimizer):
        if FACT:
            each.step()
""",
        "each is not None",
        "each is optimizer",
    ),
    *(
        Pair(
            "DPM123",
            f"moved-by-hand-{name}",
            PRIVATE
            + """
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    with torch.no_grad():
        for w in net.parameters():
            FACT
    optimizer.step()
""",
            wrong,
            right,
        )
        for name, wrong, right in (
            ("operator", "w -= 0.1 * w.grad", "print(w.grad.norm())"),
            ("method", "w.data.add_(w.grad, alpha=-0.1)", "w.data.clamp_(-5, 5)"),
        )
    ),
    Pair(
        "DPM123",
        "made-where-each-epoch-is-trained",
        PRIVATE
        + """
def epoch(net, optimizer):
    another = torch.optim.SGD(net.parameters(), lr=0.1)
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        for each in FACT:
            each.step()


for turn in range(3):
    epoch(net, optimizer)
""",
        "(another, optimizer)",
        "(optimizer, another)",
    ),
    Pair(
        "DPM123",
        "optimizers-of-a-loop-over-parts",
        HEAD
        + """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(16, 8), nn.Linear(8, 4)

    def forward(self, x):
        return self.head(F.relu(self.body(x)))


net = Net()
groups, optimizers = {"body": [*net.body.parameters()], "head": [*net.head.parameters()]}, {}
for name, part in groups.items():
    optimizers[name] = torch.optim.SGD(part, lr=0.1)
net, optimizers["head"], loader = PrivacyEngine().make_private(
    module=net,
    optimizer=optimizers["head"],
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
for x, y in loader:
    net.zero_grad()
    F.cross_entropy(net(x), y).backward()
    for one in FACT:
        one.step()
""",
        "optimizers.values()",
        '[optimizers["head"]]',
    ),
    *(
        Pair(
            "DPM123",
            f"kinds-in-{name}",
            HEAD
            + f"""
import sys

HOOKED, BY_HAND = {{"hooks", "adaptive"}}, {{"output", "none"}}
PRIVATE, OTHERS = {private}, {others}
kind = sys.argv[1]
net = nn.Linear(16, 4)
loader = DataLoader(data(), batch_size=32)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
another = torch.optim.SGD(net.parameters(), lr=0.1)
if kind in PRIVATE:
    net, optimizer, loader = PrivacyEngine().make_private(
        module=net, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0
    )
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    if kind in FACT:
        another.step()
    optimizer.step()
""",
            "PRIVATE",
            "OTHERS",
        )
        for name, private, others in (
            ("sets", "HOOKED", "BY_HAND"),
            ("a-union", 'HOOKED.union({"ghost"})', "BY_HAND"),
            ("a-difference", "HOOKED", "(HOOKED | BY_HAND) - HOOKED"),
        )
    ),
    Pair(
        "DPM123",
        "of-parameters-that-the-private-one-has",
        HEAD
        + """
from itertools import chain


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(16, 8), nn.Linear(8, 4)

    def forward(self, x):
        return self.head(self.body(x))


net = Net()
optimizer = torch.optim.SGD(chain(FACT), lr=0.1)
other = torch.optim.Adam(net.body.parameters(), lr=1e-4)
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=optimizer,
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
    other.step()
""",
        "net.head.parameters()",
        "net.head.parameters(), net.body.parameters()",
    ),
)
