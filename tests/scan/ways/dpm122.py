"""DPM122, penalty-dropped: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, HOOKS, PRIVATE, STEP, TRAINER, Pair

SUMMED = """
def drawn_back(net, before):
    total = 0
    for (name, p), old in zip(net.named_parameters(), before, strict=True):
        total += ((p - old) ** 2).sum()
    return 100.0 * total


before = [p.detach().clone() for p in net.parameters()]
for x, y in loader:
    optimizer.zero_grad()
    terms = [F.cross_entropy(net(x), y)]
    if len(x) > 2:
        FACT
    sum(terms).backward()
    optimizer.step()
"""

PAIRS = (
    Pair(
        "DPM122",
        "one-of-terms-that-are-added-up",
        PRIVATE + SUMMED,
        "terms.append(drawn_back(net, before))",
        "print(drawn_back(net, before).item())",
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
        "DPM122",
        "penalty-by-a-method-of-the-model",
        HEAD
        + """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(16, 8), nn.Linear(8, 4)

    def regulariser(self):
        total = 0.0
        for layer in (self.first, self.second):
            total = total + layer.weight.pow(2).sum()
        return 0.01 * total

    def scale(self):
        return 0.01 * self.first.out_features

    def forward(self, x):
        return self.second(torch.relu(self.first(x)))


net = Net()
private, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=64),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
for x, y in loader:
    optimizer.zero_grad()
    loss = F.cross_entropy(private(x), y) + FACT
    loss.backward()
    optimizer.step()
""",
        "net.regulariser()",
        "net.scale()",
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
        "DPM122",
        "filled-in-by-a-subclass",
        HEAD
        + TRAINER
        + """

class Smooth(Trainer):
    def loss(self, x, y):
        return F.cross_entropy(self.net(x), y) + FACT
""",
        "0.01 * sum(p.pow(2).sum() for p in self.net.parameters())",
        "0.01 * self.net(x).pow(2).sum(dim=1).mean()",
    ),
    Pair(
        "DPM122",
        "penalty-in-a-criterion-of-the-program",
        HEAD
        + """
class Objective(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.weights = [p for name, p in net.named_parameters() if name.endswith("weight")]

    def size(self):
        return 0.1 * sum(w.square().sum() for w in self.weights)

    def forward(self, logits, y):
        return F.cross_entropy(logits, y) FACT


net = nn.Linear(16, 4)
objective = Objective(net)
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
"""
        + STEP.replace("F.cross_entropy", "objective"),
        "+ self.size()",
        "",
    ),
)
