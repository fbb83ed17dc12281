"""DPM304, engine-remade-in-loop: models of each turn that get weights of the turn before, or do not."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, Pair

EPOCH = (
    HEAD
    + """
import copy


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(16, 4)

    def forward(self, x):
        return self.fc(x)


def epoch(model, records):
    engine = PrivacyEngine()
    net, optimizer, loader = engine.make_private(
        module=model,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
        data_loader=DataLoader(records, batch_size=32),
        noise_multiplier=1.0,
        max_grad_norm=1.0,
    )
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    return net, engine.get_epsilon(1e-5)


records = data()
"""
)

PAIRS = (
    Pair(
        "DPM304",
        "weights-that-a-function-returned",
        EPOCH
        + """
state = None
for cycle in range(5):
    model = nn.Linear(16, 4)
    if FACT:
        model.load_state_dict(state)
    net, spent = epoch(model, records)
    state = net._module.state_dict()
""",
        "state is not None",
        "False",
    ),
    Pair(
        "DPM304",
        "weights-of-an-attribute",
        EPOCH
        + """
class Job:
    def __init__(self):
        self.weights = None

    def turn(self):
        model = Net()
        if self.weights:
            model.load_state_dict(self.weights)
        net, spent = epoch(model, records)
        FACT = copy.deepcopy(net._module.state_dict())
        return spent


job = Job()
for turn in range(5):
    print(job.turn())
""",
        "self.weights",
        "self.last",
    ),
    Pair(
        "DPM304",
        "weights-copied-one-by-one",
        EPOCH
        + """
kept, number = {}, 0
while number < 5:
    model = Net()
    if "weights" in kept:
        model.load_state_dict(kept["weights"])
    net, spent = epoch(model, records)
    kept["FACT"] = {name: value.clone() for name, value in model.state_dict().items()}
    number += 1
""",
        "weights",
        "last",
    ),
    Pair(
        "DPM304",
        "weights-before-or-after-training",
        EPOCH
        + """
best = Net().state_dict()
for seed in range(5):
    model = Net()
    FACT
    net, spent = epoch(model, records)
    best = copy.deepcopy(net._module.state_dict())
    model.load_state_dict(best)
    print(spent, model)
""",
        "model.load_state_dict(best)",
        "print(best)",
    ),
    Pair(
        "DPM304",
        "first-weights-or-last",
        EPOCH
        + """
model = Net()
state = copy.deepcopy(model.state_dict())
for turn in range(5):
    model.load_state_dict(state)
    net, spent = epoch(model, records)
    FACT = copy.deepcopy(net._module.state_dict())
    net.remove_hooks()
""",
        "state",
        "last",
    ),
)
