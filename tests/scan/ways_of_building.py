"""Small programs in pairs that differ in one fact: losses, models and figures put together in odd ways."""

from __future__ import annotations

from tests.scan.ways_of_writing import GHOST, HEAD, Pair

PRIVATE = (
    HEAD
    + """
net = nn.Linear(16, 4)
engine = PrivacyEngine()
net, optimizer, loader = engine.make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
"""
)
LOOP = """
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
"""
TRAINED = GHOST.partition("net = Net()\n")[2].replace("CRITERION", "nn.CrossEntropyLoss()")
"""A ghost run of ``net``, and its loop."""

PUT_TOGETHER = (
    Pair(
        "DPM111",
        "loss-by-a-helper",
        HEAD
        + """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(50, 16)
        self.head = nn.Linear(16, 50)

    def forward(self, x):
        return self.head(self.embed(x))


net = Net()
net, optimizer, criterion, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    criterion=nn.CrossEntropyLoss(),
    data_loader=DataLoader(TensorDataset(torch.randint(0, 50, (64, 9))), batch_size=8),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
    grad_sample_mode="ghost",
)


def token_loss(logits, labels, criterion):
    return FACT


for (tokens,) in loader:
    optimizer.zero_grad()
    loss = token_loss(net(tokens), tokens, criterion)
    loss.backward()
    optimizer.step()
""",
        "criterion(logits.view(-1, 50), labels.view(-1))",
        "criterion(logits.view(-1, 50), labels.view(-1), shape=logits.shape)",
        "==1.6.0",
    ),
    Pair(
        "DPM112",
        "layers-by-a-comprehension-of-names",
        HEAD
        + """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(100, 16)
        self.parts = nn.ModuleDict({name: nn.Linear(16, 16, bias=FACT) for name in ("query", "key", "value")})
        self.head = nn.Linear(16, 4)

    def forward(self, x):
        h = self.embed(x)
        q, k, v = self.parts["query"](h), self.parts["key"](h), self.parts["value"](h)
        return self.head((torch.softmax(q @ k.transpose(1, 2), -1) @ v).mean(dim=1))


net = Net()
"""
        + TRAINED,
        "True",
        "False",
        "==1.5.3",
    ),
    Pair(
        "DPM112",
        "blocks-by-a-comprehension-over-numbers",
        HEAD
        + """
class Net(nn.Module):
    def __init__(self, widths):
        super().__init__()
        self.embed = nn.Embedding(100, 16)
        self.blocks = nn.ModuleDict(
            {f"block{i}": nn.Sequential(nn.Linear(16, n, bias=FACT), nn.ReLU()) for i, n in enumerate(widths)}
        )
        self.norms = nn.ModuleDict({name: nn.LayerNorm(16) for name in self.blocks})
        self.last = nn.ModuleDict({"a": nn.Linear(16, 4)})

    def forward(self, x):
        h = self.embed(x)
        for name, block in self.blocks.items():
            h = h + block(self.norms[name](h))
        return self.last["a"](h.mean(dim=1))


net = Net([16, 16])
"""
        + TRAINED,
        "True",
        "False",
        "==1.5.3",
    ),
    Pair(
        "DPM112",
        "blocks-put-in-one-by-one",
        HEAD
        + """
class Net(nn.Module):
    def __init__(self, widths):
        super().__init__()
        self.embed = nn.Embedding(100, 16)
        self.blocks = nn.ModuleDict()
        for i, width in enumerate(widths):
            self.blocks[f"block{i}"] = nn.Sequential(nn.Linear(16, width, bias=FACT), nn.ReLU())
        self.out = nn.Linear(16, 4)

    def forward(self, x):
        h = self.embed(x)
        for name, block in self.blocks.items():
            h = h + block(h)
        return self.out(h.mean(1))


net = Net([16, 16])
"""
        + TRAINED,
        "True",
        "False",
        "==1.5.3",
    ),
    Pair(
        "DPM122",
        "penalty-stacked-on-the-loss",
        PRIVATE
        + """
for x, y in loader:
    optimizer.zero_grad()
    loss = F.cross_entropy(net(x), y)
    penalty = 0.01 * FACT
    torch.stack([loss, penalty]).sum().backward()
    optimizer.step()
""",
        "sum(p.pow(2).sum() for p in net.parameters())",
        "net(x).pow(2).mean()",
    ),
    Pair(
        "DPM122",
        "norm-of-one-layer-s-weight",
        HEAD
        + """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(16, 4)

    def forward(self, x):
        return self.fc(x)


model = Net()
model, optimizer, loader = PrivacyEngine().make_private(
    module=model,
    optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
for x, y in loader:
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y) + 0.1 * FACT
    loss.backward()
    optimizer.step()
""",
        "model.fc.weight.norm()",
        "model.fc(x).norm(dim=1).mean()",
    ),
    Pair(
        "DPM122",
        "distance-from-the-weights-before",
        PRIVATE
        + """
before = [p.detach().clone() for p in net.parameters()]
for x, y in loader:
    optimizer.zero_grad()
    loss = F.cross_entropy(net(x), y)
    prox = 0.0
    for p, old in zip(FACT, before):
        prox += torch.sum((p - old) ** 2)
    loss = loss + 0.01 / 2 * prox
    loss.backward()
    optimizer.step()
""",
        "net.parameters()",
        "[torch.ones(3)]",
    ),
    Pair(
        "DPM122",
        "penalties-of-a-map",
        PRIVATE
        + """
def squared(p):
    return p.square().sum()


for x, y in loader:
    optimizer.zero_grad()
    loss = sum([F.cross_entropy(net(x), y), 0.1 * sum(map(squared, FACT))])
    loss.backward()
    optimizer.step()
""",
        "net.parameters()",
        "[torch.ones(3)]",
    ),
    Pair(
        "DPM122",
        "layers-gone-over",
        PRIVATE
        + """
for x, y in loader:
    optimizer.zero_grad()
    loss = F.cross_entropy(net(x), y)
    l1 = 0
    for layer in net.modules():
        if isinstance(layer, nn.Linear):
            l1 = l1 + FACT
    loss = loss + 1e-4 * l1
    loss.backward()
    optimizer.step()
""",
        "layer.weight.abs().sum()",
        "layer.weight.detach().abs().sum()",
    ),
    Pair(
        "DPM122",
        "criterion-of-parameters",
        PRIVATE
        + """
for x, y in loader:
    optimizer.zero_grad()
    loss = F.cross_entropy(net(x), y)
    for p in net.parameters():
        loss = loss + 1e-4 * F.mse_loss(FACT, torch.zeros_like(p))
    loss.backward()
    optimizer.step()
""",
        "p",
        "p.detach()",
    ),
    Pair(
        "DPM122",
        "parameter-by-its-name",
        PRIVATE
        + """
for x, y in loader:
    optimizer.zero_grad()
    loss = F.cross_entropy(net(x), y) + 0.1 * torch.linalg.matrix_norm(FACT)
    loss.backward()
    optimizer.step()
""",
        'net.get_parameter("weight")',
        'net.state_dict()["weight"]',
    ),
    Pair(
        "DPM122",
        "losses-in-a-dict",
        PRIVATE
        + """
for x, y in loader:
    optimizer.zero_grad()
    losses = {"task": F.cross_entropy(net(x), y)}
    losses["l2"] = 0.1 * sum(torch.dot(p.flatten(), p.flatten()) for p in FACT)
    total = sum(losses.values())
    total.backward()
    optimizer.step()
""",
        "net.parameters()",
        "[torch.ones(3)]",
    ),
    Pair(
        "DPM109",
        "gradients-as-a-list",
        PRIVATE
        + """
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    torch._foreach_mul_(FACT, 0.5)
    optimizer.step()
""",
        "[p.grad for p in net.parameters()]",
        "[p for p in nn.Linear(3, 3).parameters()]",
    ),
    Pair(
        "DPM109",
        "gradients-clipped-with-their-norm",
        PRIVATE
        + """
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    total = torch.nn.utils.get_total_norm([p.grad for p in net.parameters()])
    torch.nn.utils.clip_grads_with_norm_(FACT, 1.0, total)
    optimizer.step()
""",
        "net.parameters()",
        "nn.Linear(3, 3).parameters()",
    ),
    Pair(
        "DPM306",
        "one-over-twice-the-batches",
        PRIVATE
        + LOOP
        + """
print(engine.get_epsilon(delta=FACT))
""",
        "1 / (2 * len(loader))",
        "1 / (2 * len(loader) * len(loader))",
    ),
    Pair(
        "DPM306",
        "records-counted-in-a-tensor",
        HEAD
        + """
X, Y = torch.randn(512, 16), torch.randint(0, 4, (512,))
net = nn.Linear(16, 4)
engine = PrivacyEngine()
net, optimizer, loader = engine.make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(TensorDataset(X, Y), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
"""
        + LOOP
        + """
print(engine.get_epsilon(delta=FACT))
""",
        "1 / len(X)",
        "1 / (10 * len(X))",
    ),
    Pair(
        "DPM306",
        "records-counted-in-a-shape",
        HEAD
        + """
X, Y = torch.randn(512, 16), torch.randint(0, 4, (512,))
net = nn.Linear(16, 4)
engine = PrivacyEngine()
net, optimizer, loader = engine.make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(TensorDataset(X, Y), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
"""
        + LOOP
        + """
delta = FACT
print(engine.get_epsilon(delta))
""",
        "1 / X.shape[0]",
        "1 / X.shape[0] ** 2",
    ),
)
