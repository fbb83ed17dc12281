"""DPM103, unwrapped-loss: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import GHOST_MADE, HEAD, Pair

PAIRS = (
    Pair(
        "DPM103",
        "the-criterion-of-another-private-model",
        HEAD
        + """
def private():
    net = nn.Linear(16, 4)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    return PrivacyEngine().make_private(
        module=net,
        optimizer=optimizer,
        criterion=nn.CrossEntropyLoss(),
        data_loader=DataLoader(data(), batch_size=32),
        noise_multiplier=1.0,
        max_grad_norm=1.0,
        poisson_sampling=False,
        grad_sample_mode="ghost",
    )


def private_too():
    net = nn.Linear(16, 4)
    return PrivacyEngine().make_private(
        module=net,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
        criterion=nn.CrossEntropyLoss(),
        data_loader=DataLoader(data(), batch_size=32),
        noise_multiplier=1.0,
        max_grad_norm=1.0,
        poisson_sampling=False,
        grad_sample_mode="ghost",
    )


first, first_optimizer, first_criterion, first_loader = private()
second, second_optimizer, second_criterion, second_loader = private_too()
for x, y in first_loader:
    first_optimizer.zero_grad()
    first_criterion(first(x), y).backward()
    first_optimizer.step()
for x, y in second_loader:
    second_optimizer.zero_grad()
    FACT(second(x), y).backward()
    second_optimizer.step()
""",
        "first_criterion",
        "second_criterion",
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
        "DPM103",
        "gradient-of-the-input-alone",
        HEAD
        + "\nnet = nn.Linear(16, 4)\n"
        + GHOST_MADE
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
        "DPM103",
        "gradients-asked-for-and-written-down",
        HEAD
        + "\nnet = nn.Linear(16, 4)\n"
        + GHOST_MADE
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
        "DPM103",
        "three-targets-in-a-method-that-is-entered-several-ways",
        HEAD
        + """
class Trainer:
    def __init__(self, model: nn.Module, loader: DataLoader, private: bool = True, ghost: bool = True):
        self.model = model
        self.loader = loader
        self.ghost = ghost
        self.optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        self.engine = None
        if private:
            self.set_up()

    def set_up(self):
        self.engine = PrivacyEngine()
        given = dict(module=self.model, optimizer=self.optimizer, data_loader=self.loader)
        given.update(noise_multiplier=1.0, max_grad_norm=1.0)
        try:
            if self.ghost:
                FACT = self.engine.make_private(grad_sample_mode="ghost", **given)
            else:
                self.model, self.optimizer, self.loader = self.engine.make_private(**given)
        except ValueError:
            self.model, self.optimizer, self.loader = self.engine.make_private(**given)

    def train(self):
        for x, y in self.loader:
            self.step(x, y)

    def step(self, x, y):
        self.optimizer.zero_grad()
        F.cross_entropy(self.model(x), y).backward()
        self.optimizer.step()
""",
        "self.model, self.optimizer, self.criterion, self.loader",
        "self.model, self.optimizer, self.loader",
    ),
)
