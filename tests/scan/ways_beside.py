"""Small programs in pairs that differ in one fact: what stands beside an engine's loader and optimizer."""

from __future__ import annotations

from tests.scan.ways_of_building import LOOP, PRIVATE
from tests.scan.ways_of_writing import HEAD, Pair

LOADER = (
    HEAD
    + """
from torch.utils.data import Sampler, Subset, SubsetRandomSampler


class Mine(Sampler):
    def __init__(self, rows):
        self.rows = rows

    def __iter__(self):
        return iter(self.rows)

    def __len__(self):
        return len(self.rows)


records = data()
FACT
net = nn.Linear(16, 4)
engine = PrivacyEngine()
net, optimizer, loader = engine.make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=loader,
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
"""
    + LOOP
)
BESIDE = (
    HEAD
    + """
from ahead import CudaPrefetcher

records = DataLoader(data(), batch_size=32)
net = nn.Linear(16, 4)
engine = PrivacyEngine()
net, optimizer, loader = engine.make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=records,
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
"""
)
NODES = (
    HEAD
    + """
class Node:
    def __init__(self, records):
        net = nn.Linear(16, 4)
        self.engine = PrivacyEngine()
        self.net, self.optimizer, self.loader = self.engine.make_private(
            module=net,
            optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
            data_loader=DataLoader(records, batch_size=32),
            noise_multiplier=1.0,
            max_grad_norm=1.0,
        )

    def epoch(self, seed):
        SEEDED
        for x, y in self.loader:
            self.optimizer.zero_grad()
            F.cross_entropy(self.net(x), y).backward()
            self.optimizer.step()


nodes = [Node(data()) for _ in range(5)]
ROUNDS
"""
)
STAGES = (
    HEAD
    + """
def stage(build, records, begin, end):
    net = build()
    if begin:
        net.load_state_dict(torch.load(begin))
    engine = PrivacyEngine()
    private, optimizer, loader = engine.make_private(
        module=net,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
        data_loader=records,
        noise_multiplier=1.0,
        max_grad_norm=1.0,
    )
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(private(x), y).backward()
        optimizer.step()
    torch.save(net.state_dict(), end)
    return engine.get_epsilon(1e-5)


def main(build, records):
    print(stage(build, records, None, "one.pt"))
    print(stage(build, records, FACT, "two.pt"))
"""
)
TRIED = (
    HEAD
    + """
def make(net, optimizer, loader):
    engine = PrivacyEngine()
    for target in (1.0, 2.0, 4.0):
        FACT
        try:
            return engine.make_private_with_epsilon(
                module=net,
                optimizer=optimizer,
                data_loader=loader,
                target_epsilon=target,
                target_delta=1e-5,
                epochs=5,
                max_grad_norm=1.0,
            )
        except Exception as error:
            print(error)
    raise SystemExit(1)
"""
)
OPTIMIZER = """
from opacus.optimizers import DPOptimizer

beside = torch.optim.Adam(net.parameters())
FACT
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
print(engine.get_epsilon(1e-5))
"""
WRAPPED = "optimizer = DPOptimizer(beside, noise_multiplier=1.0, max_grad_norm=1.0, expected_batch_size=32)"
COUNTED = """
for epoch in range(5):
    for step, (x, y) in enumerate(loader):
        torch.manual_seed(FACT)
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
"""
SEEDING = NODES.replace("SEEDED", "torch.manual_seed(seed)")
PATCH = "optimizer.add_noise = types.MethodType(add_noise, optimizer)\n"

ASIDE = (
    Pair(
        "DPM303",
        "sampler-of-its-own",
        LOADER,
        "loader = DataLoader(records, batch_size=32, sampler=Mine([1, 2, 3]))",
        "loader = DataLoader(Subset(records, [1, 2, 3]), batch_size=32)",
    ),
    Pair(
        "DPM303",
        "that-balances",
        "from torchsampler import ImbalancedDatasetSampler\n" + LOADER,
        "loader = DataLoader(records, batch_size=32, sampler=ImbalancedDatasetSampler(records))",
        "loader = DataLoader(records, batch_size=32)",
    ),
    Pair(
        "DPM303",
        "by-phase",
        LOADER.replace(
            "FACT",
            "samplers = {'train': SubsetRandomSampler([1, 2]), 'test': SubsetRandomSampler([3])}\n"
            "loaders = {name: DataLoader(records, 2, sampler=one) for name, one in samplers.items()}\n"
            "FACT",
        ),
        'loader = loaders["train"]',
        "loader = DataLoader(records, batch_size=2)",
    ),
    Pair(
        "DPM301",
        "fetched-ahead",
        BESIDE + LOOP.replace("in loader", "in CudaPrefetcher(FACT, depth=2)"),
        "records",
        "loader",
    ),
    Pair(
        "DPM301",
        "fetched-one-by-one",
        BESIDE
        + """
ahead = CudaPrefetcher(FACT)
x, y = ahead.next()
while x is not None:
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
    x, y = ahead.next()
""",
        "records",
        "loader",
    ),
    Pair(
        "DPM205",
        "nodes-of-a-list",
        SEEDING.replace("ROUNDS", "for round_number in range(9):\n    [node.epoch(FACT) for node in nodes]"),
        "7",
        "7 + round_number",
    ),
    Pair(
        "DPM205",
        "nodes-gone-over-once",
        SEEDING.replace("ROUNDS", "FACTfor node in nodes:\n    node.epoch(7)"),
        "for _ in range(9):\n    [node.epoch(7) for node in nodes]\n",
        "",
    ),
    Pair("DPM205", "counted-anew", PRIVATE + COUNTED, "1000 + step", "1000 * epoch + step"),
    Pair("DPM310", "one-stage-after-another", STAGES, '"one.pt"', '"public.pt"'),
    Pair(
        "DPM309",
        "calls-itself",
        HEAD
        + """
def make(net, optimizer, loader, target):
    engine = PrivacyEngine()
    try:
        return engine.make_private_with_epsilon(
            module=net,
            optimizer=optimizer,
            data_loader=loader,
            target_epsilon=target,
            target_delta=1e-5,
            epochs=5,
            max_grad_norm=1.0,
        )
    except Exception as error:
        FACT
""",
        "return make(net, optimizer, loader, target * 2)",
        "raise SystemExit(str(error))",
    ),
    Pair("DPM309", "model-from-outside", TRIED, "pass", "net, optimizer = fresh()"),
    Pair(
        "DPM208",
        "method-bound-by-hand",
        PRIVATE + "import types\n\n\ndef add_noise(self):\n    FACT\n\n\n" + PATCH + LOOP,
        "self.params[0].grad = self.params[0].summed_grad",
        "self.params[0].grad = self.params[0].summed_grad + torch.randn(4, 16)",
    ),
    Pair(
        "DPM208",
        "optimizer-of-an-engine-of-its-own",
        HEAD
        + """
from opacus.optimizers import DPOptimizer


class Quiet(DPOptimizer):
    def add_noise(self):
        for p in self.params:
            FACT


class Engine(PrivacyEngine):
    def _prepare_optimizer(self, *, optimizer, **given):
        return Quiet(optimizer, noise_multiplier=1.0, max_grad_norm=1.0, expected_batch_size=32)


"""
        + PRIVATE.removeprefix(HEAD).replace("PrivacyEngine()", "Engine()")
        + LOOP,
        "p.grad = p.summed_grad",
        "p.grad = p.summed_grad + torch.randn_like(p)",
    ),
    Pair(
        "DPM208",
        "switched-off-later",
        PRIVATE + "optimizer.noise_multiplier = FACT\n" + LOOP,
        "0.0",
        "1.5",
    ),
    Pair("DPM315", "optimizer-beside-the-engine-s", PRIVATE + OPTIMIZER, WRAPPED, "print(beside)"),
    Pair(
        "DPM315",
        "optimizer-beside-that-tells",
        PRIVATE + OPTIMIZER.replace("FACT", WRAPPED + "\nFACT"),
        "print(optimizer)",
        "optimizer.attach_step_hook(engine.accountant.get_optimizer_hook_fn(sample_rate=1 / len(loader)))",
    ),
    Pair(
        "DPM308",
        "batches-out-of-the-tensors",
        HEAD
        + """
def train(images, labels):
    net = nn.Linear(16, 4)
    engine = PrivacyEngine()
    net, optimizer, loader = engine.make_private(
        module=net,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
        data_loader=DataLoader(TensorDataset(images, labels), batch_size=32),
        noise_multiplier=1.0,
        max_grad_norm=1.0,
    )
    print(F.cross_entropy(net(images[:9]), labels[:9]).item())
    for x, y in FACT:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    print(engine.get_epsilon(1e-5))
""",
        "((images[rows], labels[rows]) for rows in torch.randperm(512).split(32))",
        "loader",
    ),
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
        + LOOP,
        "pass",
        "net._module.body.eval()",
    ),
)
