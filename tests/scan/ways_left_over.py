"""Small programs in pairs that differ in one fact: what one part of a program leaves for the next one."""

from __future__ import annotations

from tests.scan.ways_of_writing import HEAD, Pair

ITEM = (
    HEAD
    + """
def main(given):
    net, loader, settings = nn.Linear(16, 4), DataLoader(data(), batch_size=32), {"noise": 0.0}
    try:
        settings["noise"] = given[0]
        print(given[1])
    except ValueError:
        print("as it was")
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    if settings["noise"] TEST 0.0:
        net, optimizer, FACT = PrivacyEngine().make_private(
            module=net,
            optimizer=optimizer,
            data_loader=loader,
            noise_multiplier=settings["noise"],
            max_grad_norm=1.0,
        )
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
"""
)

LEFT_OVER = (
    Pair(
        "DPM304",
        "copies-of-a-model-of-which-nothing-is-known",
        HEAD
        + """
import copy
from elsewhere import named


class Client:
    def __init__(self, part):
        self.model = None
        self.loader = DataLoader(part, batch_size=32)
        self.spent = 0.0

    def update(self):
        engine = PrivacyEngine()
        net, optimizer, loader = engine.make_private(
            module=self.model,
            optimizer=torch.optim.SGD(self.model.parameters(), lr=0.1),
            data_loader=self.loader,
            noise_multiplier=1.0,
            max_grad_norm=1.0,
        )
        for x, y in loader:
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
        self.spent = max(self.spent, engine.get_epsilon(1e-5))


class Server:
    def __init__(self, parts):
        self.model = named("net")
        self.clients = [Client(part) for part in parts]

    def round(self):
        for client in self.clients:
            client.model = copy.deepcopy(self.model)
            client.update()
        states = [client.model.state_dict() for client in self.clients]
        mean = {key: sum(state[key] for state in states) / len(states) for key in states[0]}
        FACT


server = Server(torch.utils.data.random_split(data(), [256, 256]))
for number in range(5):
    server.round()
""",
        "self.model.load_state_dict(mean)",
        "torch.save(mean, 'mean.pt')",
    ),
    Pair(
        "DPM301",
        "what-an-evaluation-leaves-in-the-loss",
        HEAD
        + """
class Weighted:
    def __init__(self):
        self.before, self.last = torch.zeros(4), torch.zeros(4)

    def loss(self, scores, y):
        losses = F.cross_entropy(scores, y, reduction="none")
        self.last = self.last * 0.5 + losses.sum() * 0.5
        return losses.mean() + (self.before * losses.sum()).sum()


def epoch(loader, weighted, training):
    with FACT:
        for x, y in loader:
            loss = weighted.loss(net(x), y)
            if training:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()


records = data()
plain = DataLoader(records, batch_size=32)
net = nn.Linear(16, 4)
net, optimizer, private = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(records, batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
trained, evaluated = Weighted(), Weighted()
for number in range(5):
    epoch(private, trained, True)
    epoch(plain, evaluated, False)
    trained.before = evaluated.last
""",
        "torch.enable_grad()",
        "torch.set_grad_enabled(training)",
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
        "DPM308",
        "noise-worked-out-for-samples",
        HEAD
        + """
from opacus.accountants.utils import get_noise_multiplier

noise = get_noise_multiplier(target_epsilon=3.0, target_delta=1e-5, epochs=5, FACT)
net = nn.Linear(16, 4)
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=noise,
    max_grad_norm=1.0,
    poisson_sampling=False,
)
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
""",
        "sample_rate=32 / 512",
        "sample_rate=1.0",
    ),
    Pair(
        "DPM103",
        "wrapped-where-either-of-two-options-says-so",
        HEAD
        + """
import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--dp", action="store_true")
parser.add_argument("--private", action="store_true")
parser.add_argument("--ghost", action="store_true")
args = parser.parse_args()
enabled = args.dp or args.private
ghost = enabled and args.ghost
net, criterion, loader = nn.Linear(16, 4), nn.CrossEntropyLoss(), DataLoader(data(), batch_size=32)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
if ghost:
    net, optimizer, criterion, loader = PrivacyEngine().make_private(
        module=net,
        optimizer=optimizer,
        criterion=criterion,
        data_loader=loader,
        noise_multiplier=1.0,
        max_grad_norm=1.0,
        grad_sample_mode="ghost",
    )


def loss_of(outputs, y):
    if FACT and ghost:
        return criterion(outputs, y)
    return F.cross_entropy(outputs, y)


for x, y in loader:
    optimizer.zero_grad()
    loss_of(net(x), y).backward()
    optimizer.step()
""",
        "args.dp",
        "enabled",
    ),
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
)
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
""",
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
)
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
""",
        "nn.Identity()",
        "nn.BatchNorm2d(8)",
    ),
    Pair("DPM301", "an-item-that-was-tested", ITEM.replace("TEST", ">"), "drawn", "loader"),
    Pair(
        "DPM208",
        "an-item-that-is-above-zero",
        ITEM.replace("FACT", "loader").replace("TEST", "FACT"),
        ">=",
        ">",
    ),
)
