"""DPM315, accounting-not-attached: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, PRIVATE, STEP, Pair

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

PAIRS = (
    Pair("DPM315", "optimizer-beside-the-engine-s", PRIVATE + OPTIMIZER, WRAPPED, "print(beside)"),
    Pair(
        "DPM315",
        "optimizer-beside-that-tells",
        PRIVATE + OPTIMIZER.replace("FACT", WRAPPED + "\nFACT"),
        "print(optimizer)",
        "optimizer.attach_step_hook(engine.accountant.get_optimizer_hook_fn(sample_rate=1 / len(loader)))",
    ),
    Pair(
        "DPM315",
        "class-of-the-optimizer-asked-for",
        HEAD
        + """
from opacus import GradSampleModule
from opacus.accountants import create_accountant
from opacus.optimizers import get_optimizer_class

accountant = create_accountant("prv")
net = GradSampleModule(nn.Linear(16, 4))
loader = DataLoader(data(), batch_size=32)
kind = get_optimizer_class(clipping="flat", distributed=False)
optimizer = kind(
    torch.optim.SGD(net.parameters(), lr=0.1), noise_multiplier=1.0, max_grad_norm=1.0, expected_batch_size=32
)
FACT
"""
        + STEP
        + """
print(accountant.get_epsilon(delta=1e-6))
""",
        "print(optimizer)",
        "optimizer.attach_step_hook(accountant.get_optimizer_hook_fn(sample_rate=32 / 512))",
    ),
    Pair(
        "DPM315",
        "engine-that-lends-its-accountant",
        HEAD
        + """
from opacus import GradSampleModule
from opacus.data_loader import DPDataLoader
from opacus.optimizers import DPOptimizer

engine = PrivacyEngine()
loader = DPDataLoader.from_data_loader(DataLoader(data(), batch_size=32))
net = GradSampleModule(nn.Linear(16, 4))
optimizer = DPOptimizer(
    torch.optim.SGD(net.parameters(), lr=0.1), noise_multiplier=1.0, max_grad_norm=1.0, expected_batch_size=32
)
FACT
"""
        + STEP
        + "print(engine.get_epsilon(1e-6))\n",
        "print(optimizer)",
        "optimizer.attach_step_hook(engine.accountant.get_optimizer_hook_fn(sample_rate=32 / 512))",
    ),
    Pair(
        "DPM315",
        "hook-in-the-place-of-the-accountants",
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
before = optimizer.step_hook
seen = []


def note(optimizer):
    FACT


optimizer.attach_step_hook(note)
"""
        + STEP
        + "print(len(seen), engine.get_epsilon(1e-6))\n",
        "seen.append(optimizer)",
        "engine.accountant.step(noise_multiplier=1.0, sample_rate=32 / 512)",
    ),
    Pair(
        "DPM315",
        "object-in-the-place-of-the-accountants",
        HEAD
        + """
class Count:
    def __init__(self, then=None):
        self.number, self.then = 0, then

    def __call__(self, optimizer):
        self.number += 1
        if self.then is not None:
            self.then(optimizer)


net = nn.Linear(16, 4)
engine = PrivacyEngine()
net, optimizer, loader = engine.make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
before = optimizer.step_hook
count = Count(FACT)
optimizer.attach_step_hook(count)
"""
        + STEP
        + "print(count.number, engine.get_epsilon(1e-6))\n",
        "None",
        "before",
    ),
)
