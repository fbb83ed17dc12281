"""DPM304, engine-remade-in-loop: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, LEAVES, STEP, Pair

TRAIN = (
    HEAD
    + """
def train(net, records, lr):
    engine = PrivacyEngine()
    private, optimizer, loader = engine.make_private(
        module=net,
        optimizer=torch.optim.SGD(net.parameters(), lr=lr),
        data_loader=DataLoader(records, batch_size=32),
        noise_multiplier=1.0,
        max_grad_norm=1.0,
    )
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(private(x), y).backward()
        optimizer.step()
    private.remove_hooks()
    MORE
    return engine.get_epsilon(1e-5)


net, records = nn.Linear(16, 4), data()
start = {name: value.clone() for name, value in net.state_dict().items()}
"""
)


ONCE = TRAIN.replace("MORE", "pass")


ROUNDS = (
    HEAD
    + """
def update(weights, build, records):
    net = build()
    FACT
    engine = PrivacyEngine()
    private, optimizer, loader = engine.make_private(
        module=net,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
        data_loader=DataLoader(records, batch_size=32),
        noise_multiplier=1.0,
        max_grad_norm=1.0,
    )
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(private(x), y).backward()
        optimizer.step()
    return net.state_dict(), engine.get_epsilon(1e-5)


def simulate(build, clients):
    weights = build().state_dict()
    for _ in range(20):
        told = [update(weights, build, records) for records in clients]
        weights = {key: sum(one[key] for one, _ in told) / len(told) for key in weights}
    return weights
"""
)


ENGINES = LEAVES.replace("IN_TURN", "FACT").replace("GENERATOR", "None")

PAIRS = (
    Pair(
        "DPM304",
        "trained-twice-on-the-same-records",
        ONCE + "print(train(net, records, 0.5), train(FACT, 0.05))",
        "net, records",
        "net, data()",
    ),
    Pair(
        "DPM304",
        "set-back-between",
        ONCE + "print(train(net, records, 0.5))\nFACT\nprint(train(net, records, 0.05))",
        "net.eval()",
        "net.load_state_dict(start)",
    ),
    Pair(
        "DPM304",
        "another-model-of-the-same-records",
        ONCE + "print(train(net, records, 0.5))\nFACT\nprint(train(net, records, 0.05))",
        "net.train()",
        "net = nn.Linear(16, 4)",
    ),
    Pair(
        "DPM304",
        "one-or-the-other",
        ONCE
        + "if len(records) > 9:\n    print(train(net, records, 0.5))\n"
        + "FACT    print(train(net, records, 0.1))",
        "if True:\n",
        "else:\n",
    ),
    Pair(
        "DPM304",
        "epsilons-added-up",
        ONCE + "first = train(net, records, 0.5)\nsecond = train(net, records, 0.05)\nprint(FACT)",
        "first, second",
        "first + second",
    ),
    Pair(
        "DPM304",
        "epsilons-weighted-and-added",
        ONCE
        + "def share(part):\n    return len(part) / 1024\n\n\n"
        + "spent = [train(net, records, 0.5), train(net, records, 0.05)]\n"
        + "print(sum(FACT for epsilon in spent))",
        "epsilon * share(records)",
        "epsilon",
    ),
    Pair(
        "DPM304",
        "calls-itself",
        TRAIN.replace("MORE", "FACT") + "print(train(net, records, 0.5))",
        "train(net, records, lr / 2) if lr > 0.01 else None",
        "train(nn.Linear(16, 4), records, lr / 2) if lr > 0.01 else None",
    ),
    Pair(
        "DPM304",
        "of-two-functions",
        ONCE
        + "def one():\n    print(train(net, records, 0.5))\n\n\n"
        + "def other():\n    print(train(net, records, 0.1))\n\n\nFACT",
        "one()\nother()",
        "print(net)",
    ),
    Pair("DPM304", "models-of-unknown-making", ROUNDS, "net.load_state_dict(weights)", "pass"),
    Pair(
        "DPM304",
        "settings-on-what-came-from-outside",
        ONCE.partition("\nnet, records = ")[0]
        + "import copy\n\n\n"
        + "def sweep(records):\n    net = nn.Linear(16, 4)\n    for lr in [0.1, 0.2]:\n"
        + "        print(train(FACT, records, lr))\n",
        "net",
        "copy.deepcopy(net)",
    ),
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
    Pair("DPM304", "engine-and-exit", ENGINES + "    sys.exit(main())\n", "engine = PrivacyEngine()", "pass"),
    Pair(
        "DPM304",
        "engine-and-system-exit",
        ENGINES + "    raise SystemExit(main())\n",
        "engine = PrivacyEngine()",
        "pass",
    ),
    Pair(
        "DPM304",
        "stages-over-a-model-that-is-handed-in",
        HEAD
        + """

def stages(net, loader, number):
    kept = PrivacyEngine()
    for stage in range(number):
        engine = FACT
        private, optimizer, batches = engine.make_private(
            module=net,
            optimizer=torch.optim.SGD(net.parameters(), lr=0.1 / (stage + 1)),
            data_loader=loader,
            noise_multiplier=1.0,
            max_grad_norm=1.0,
        )
        for x, y in batches:
            optimizer.zero_grad()
            F.cross_entropy(private(x), y).backward()
            optimizer.step()
        print(stage, engine.get_epsilon(1e-6))
        private.remove_hooks()
""",
        "PrivacyEngine()",
        "kept",
    ),
    Pair(
        "DPM304",
        "copy-of-the-best-so-far",
        HEAD
        + """
import copy

best = nn.Linear(16, 4)
for restart in range(4):
    net = FACT
    engine = PrivacyEngine()
    net, optimizer, loader = engine.make_private(
        module=net,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
        data_loader=DataLoader(data(), batch_size=32),
        noise_multiplier=1.0,
        max_grad_norm=1.0,
    )
"""
        + STEP.replace("\n", "\n    ").rstrip()
        + """
    best = copy.deepcopy(net._module)
    print(engine.get_epsilon(1e-6))
""",
        "copy.deepcopy(best)",
        "nn.Linear(16, 4)",
    ),
    Pair(
        "DPM304",
        "begins-with-the-average-of-the-weights",
        HEAD
        + """

def move(average, net):
    with torch.no_grad():
        for a, w in zip(average.parameters(), net.parameters()):
            a.mul_(0.9).add_(w, alpha=0.1)


average = nn.Linear(16, 4)
for cycle in range(3):
    net = nn.Linear(16, 4)
    FACT
    engine = PrivacyEngine()
    net, optimizer, loader = engine.make_private(
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
        move(average, net._module)
    print(engine.get_epsilon(1e-6))
""",
        "net.load_state_dict(average.state_dict())",
        "average.load_state_dict(net.state_dict())",
    ),
    Pair(
        "DPM304",
        "a-message-of-each-round-that-tells-its-number",
        HEAD
        + """
import messages

net = nn.Linear(16, 4)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
loader = DataLoader(data(), batch_size=32)
while messages.running():
    message = messages.receive()
    net.load_state_dict(message.weights)
    if FACT:
        engine = PrivacyEngine()
        net, optimizer, loader = engine.make_private(
            module=net,
            optimizer=optimizer,
            data_loader=loader,
            noise_multiplier=1.0,
            max_grad_norm=1.0,
        )
"""
        + STEP.replace("\n", "\n    ").rstrip()
        + """
    messages.send(net.state_dict(), engine.get_epsilon(1e-5))
""",
        "message.round >= 0",
        "message.round == 0",
    ),
    Pair(
        "DPM304",
        "a-model-made-the-first-time",
        HEAD
        + """
class Classifier:
    def __init__(self):
        self.net = None
        self.engine = PrivacyEngine()

    def partial_fit(self, records):
        if self.net is None:
            self.net = nn.Linear(16, 4)
        engine = FACT
        net, optimizer, loader = engine.make_private(
            module=self.net,
            optimizer=torch.optim.SGD(self.net.parameters(), lr=0.1),
            data_loader=DataLoader(records, batch_size=32),
            noise_multiplier=1.0,
            max_grad_norm=1.0,
        )
        for x, y in loader:
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
        self.net = net.to_standard_module()
        return engine.get_epsilon(1e-5)


records = data()
classifier = Classifier()
for epoch in range(5):
    print(classifier.partial_fit(records))
""",
        "PrivacyEngine()",
        "self.engine",
    ),
    Pair(
        "DPM304",
        "engines-of-clients-by-a-comprehension",
        HEAD
        + """
import sys


def trained(state, records, engine):
    net = nn.Linear(16, 4)
    net.load_state_dict(state)
    engine = engine if engine is not None else PrivacyEngine()
    net, optimizer, loader = engine.make_private(
        module=net,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
        data_loader=DataLoader(records, batch_size=32),
        noise_multiplier=1.0,
        max_grad_norm=1.0,
    )
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    return net._module.state_dict(), engine.get_epsilon(1e-5)


records, state = data(), nn.Linear(16, 4).state_dict()
clients = range(len(sys.argv))
engines = {client: FACT for client in clients}
for round_number in range(5):
    for client in clients:
        state, epsilon = trained(state, records, engines[client])
        print(epsilon)
""",
        "None",
        "PrivacyEngine()",
    ),
)
