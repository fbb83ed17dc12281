"""DPM414, in-place-after-hook: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, STEP, Pair

PAIRS = (
    Pair(
        "DPM414",
        "refused-before-it-comes-to-that",
        HEAD
        + """
import torchvision
import opacus

net = torchvision.models.resnet18(num_classes=4)
FACT
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)"""
        + STEP,
        "net = opacus.validators.ModuleValidator.fix(net)",
        "print(net)",
    ),
    Pair(
        "DPM414",
        "a-norm-that-is-refused",
        HEAD
        + """

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3), FACT
        self.act, self.head = nn.ReLU(inplace=True), nn.Linear(8, 4)

    def forward(self, x):
        return self.head(self.act(self.norm(self.conv(x))).mean(dim=(2, 3)))


net = Net()
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)"""
        + STEP,
        "nn.Identity()",
        "nn.BatchNorm2d(8)",
    ),
    Pair(
        "DPM414",
        "torchvision-trained-or-frozen",
        HEAD
        + """
import torchvision

net = torchvision.models.resnet18(norm_layer=lambda channels: nn.GroupNorm(8, channels))
net.requires_grad_(FACT)
net.fc = nn.Linear(512, 4)
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.fc.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)"""
        + STEP,
        "True",
        "False",
    ),
    Pair(
        "DPM414",
        "layer-by-the-name-of-an-option",
        HEAD
        + """
import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--activation", default="ReLU")
activation = getattr(nn, parser.parse_args().activation)
net = nn.Sequential(nn.Linear(16, 8), activation(inplace=FACT), nn.Linear(8, 4))
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)"""
        + STEP,
        "True",
        "False",
    ),
    *(
        Pair(
            "DPM414",
            f"torchvision-frozen-by-names-{name}",
            HEAD
            + f"""
import torchvision

net = torchvision.models.resnet18(norm_layer=nn.Identity)
net.fc = nn.Linear(512, 4)
{frozen}
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)"""
            + STEP,
            "layer4",
            "fc",
        )
        for name, frozen in (
            ("one-by-one", "for name, p in net.named_parameters():\n    p.requires_grad = 'FACT' in name"),
            (
                "but-for-some",
                "for name, p in net.named_parameters():\n    if 'FACT' not in name:\n"
                "        p.requires_grad = False",
            ),
            (
                "by-children",
                "for name, child in net.named_children():\n    if name != 'FACT':\n"
                "        for p in child.parameters():\n            p.requires_grad = False",
            ),
        )
    ),
    Pair(
        "DPM414",
        "in-place-for-generation-alone",
        HEAD
        + """

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(16, 4)

    def forward(self, x, labels=None):
        logits, loss = self.head(x), None
        if labels is not None:
            FACT
            loss = F.cross_entropy(logits, labels)
        else:
            logits[:, -1] = 0.0
        return loss, logits


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
    net(x, labels=y)[0].backward()
    optimizer.step()
""",
        "logits /= 2.0",
        "logits = logits / 2.0",
    ),
    Pair(
        "DPM414",
        "in-place-for-evaluation-alone",
        HEAD
        + """

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(16, 4)

    def forward(self, x):
        logits = self.head(x)
        if FACT:
            logits *= 2.0
        return logits


net = Net()
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)"""
        + STEP,
        "self.training and x.dim() == 2",
        "not self.training and x.dim() == 2",
    ),
)
