"""DPM201, unseeded-noise-generator: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, PRIVATE, STEP, Pair

PAIRS = (
    Pair(
        "DPM201",
        "made-where-none-is-given",
        HEAD
        + """
class Drawn:
    def __init__(self):
        self.noise = torch.Generator()
        FACT


def train(records, drawn=None):
    drawn = drawn or Drawn()
    net = nn.Linear(16, 4)
    engine = PrivacyEngine()
    net, optimizer, loader = engine.make_private(
        module=net,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
        data_loader=DataLoader(records, batch_size=32),
        noise_multiplier=1.0,
        max_grad_norm=1.0,
        noise_generator=drawn.noise,
    )
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
""",
        "pass",
        "self.noise.seed()",
    ),
    Pair(
        "DPM201",
        "generator-of-the-optimizer",
        PRIVATE + "drawn = torch.Generator()\nFACT\noptimizer.generator = drawn\n" + STEP,
        "pass",
        "drawn.seed()",
    ),
    Pair(
        "DPM201",
        "seed-that-may-be-missing",
        HEAD
        + """
import secrets


def made(seed):
    generator = torch.Generator()
    if seed is not None:
        generator.manual_seed(seed)
    return generator


net = nn.Linear(16, 8)
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
    noise_generator=made(FACT),
)"""
        + STEP,
        "None",
        "secrets.randbits(63)",
    ),
)
