"""Small programs in pairs that differ in one fact: what is lost of a gradient, or added to it."""

from __future__ import annotations

from tests.scan.ways_of_writing import HEAD, Pair

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

OF_GRADIENTS = (
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
        "DPM104",
        "criterion-of-a-table-that-a-decorator-fills",
        HEAD
        + """
LOSSES = {"ce": nn.CrossEntropyLoss}


def register(name):
    def put(cls):
        LOSSES[name] = cls
        return cls

    return put


@register("focal")
class Focal(nn.Module):
    def forward(self, logits, y):
        losses = F.cross_entropy(logits, y, reduction="none")
        return ((1 - torch.exp(-losses)) ** 2 * losses).mean()


net = nn.Linear(16, 4)
"""
        + GHOST.replace("nn.CrossEntropyLoss()", 'LOSSES["FACT"]()')
        + """
for x, y in loader:
    criterion(net(x), y).backward()
    optimizer.step()
    optimizer.zero_grad()
""",
        "focal",
        "ce",
    ),
    Pair(
        "DPM114",
        "adaptive-hooks",
        HEAD
        + """
from contextlib import nullcontext

options = dict(target_unclipped_quantile=0.5, clipbound_learning_rate=0.2)
net = nn.Linear(16, 4)
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
    clipping="adaptive",
    unclipped_num_std=6.4,
    max_clipbound=10.0,
    min_clipbound=0.1,
    **options,
)
with FACT as batches:
    for x, y in batches:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
""",
        "BatchMemoryManager(data_loader=loader, max_physical_batch_size=8, optimizer=optimizer)",
        "nullcontext(loader)",
    ),
    Pair(
        "DPM103",
        "gradients-asked-for-and-written-down",
        HEAD
        + "\nnet = nn.Linear(16, 4)\n"
        + GHOST
        + """
for x, y in loader:
    optimizer.zero_grad()
    criterion(net(x), y).backward()
    gradients = torch.autograd.grad(F.cross_entropy(net(x), y), list(net.parameters()))
    for parameter, gradient in zip(net.parameters(), gradients):
        FACT
    optimizer.step()
""",
        "parameter.grad = gradient",
        "print(gradient.norm())",
    ),
    Pair(
        "DPM122",
        "penalty-of-layers-in-a-list-by-a-method",
        HEAD
        + """

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(16, 8), nn.Linear(8, 4)])

    def forward(self, x):
        return self.layers[1](torch.relu(self.layers[0](x)))

    def penalty(self):
        return sum(layer.weight.FACT for layer in self.layers)


net = Net()
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
for x, y in loader:
    optimizer.zero_grad()
    (F.cross_entropy(net(x), y) + 1e-3 * net.penalty()).backward()
    optimizer.step()
""",
        "norm()",
        "norm().item()",
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
)
