"""DPM313, batch-norm-in-private-model: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, STEP, STEPS, Pair

PAIRS = (
    Pair(
        "DPM313",
        "backbone-of-torchvision",
        HEAD
        + """
from torchvision.models import mobilenet_v2


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = mobilenet_v2(weights="DEFAULT").PART
        self.body.requires_grad_(False)
        self.out = nn.Linear(1280, 4)

    def forward(self, x):
        return self.out(self.body(x).mean((2, 3)))


net = Net()
engine = PrivacyEngine()
net, optimizer, loader = engine.make_private(
    module=net,
    optimizer=torch.optim.SGD(net.out.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
net.train()
FACT
""".replace("PART", "features")
        + STEP,
        "pass",
        "net._module.body.eval()",
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
        + STEP,
        "nn.BatchNorm2d",
        "groups",
    ),
    Pair(
        "DPM313",
        "train-mode-comes-back",
        HEAD
        + """

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.out = nn.BatchNorm1d(16), nn.Linear(16, 4)

    def forward(self, x):
        return self.out(self.norm(x))


net = Net()
net.norm.requires_grad_(False)
net.norm.eval()
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
net.train()
FACT
"""
        + STEP,
        "pass",
        "net._module.norm.eval()",
    ),
)
