"""DPM308, poisson-sampling-off: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, STEP, Pair

PAIRS = (
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
)"""
        + STEP,
        "sample_rate=32 / 512",
        "sample_rate=1.0",
    ),
    Pair(
        "DPM308",
        "result-joined-to-a-tuple",
        HEAD
        + """
def make(net, **options):
    engine = PrivacyEngine()
    loader = DataLoader(data(), batch_size=32)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    options.update(noise_multiplier=1.0, max_grad_norm=1.0)
    made = engine.make_private(module=net, optimizer=optimizer, data_loader=loader, **options)
    return (engine,) + tuple(made)


engine, net, optimizer, loader = make(nn.Linear(16, 4), poisson_sampling=FACT)
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
print(engine.get_epsilon(1e-5))
""",
        "False",
        "True",
    ),
    Pair(
        "DPM308",
        "default-that-is-set-later",
        HEAD
        + """
import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--poisson", action="store_true")
parser.set_defaults(poisson=FACT)
net = nn.Linear(16, 4)
engine = PrivacyEngine()
net, optimizer, loader = engine.make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
    poisson_sampling=parser.parse_args().poisson,
)
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
print(engine.get_epsilon(1e-6))
""",
        "False",
        "True",
    ),
    Pair(
        "DPM308",
        "as-the-loader-that-is-handed-in",
        HEAD
        + """
from opacus.data_loader import DPDataLoader


def main(given):
    engine, net = PrivacyEngine(), nn.Linear(16, 4)
    net, optimizer, loader = engine.make_private(
        module=net,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
        data_loader=given,
        noise_multiplier=1.0,
        max_grad_norm=1.0,
        poisson_sampling=FACT,
    )
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    print(engine.get_epsilon(1e-5))
""",
        "False",
        "isinstance(given, DPDataLoader)",
    ),
    Pair(
        "DPM308",
        "batches-out-of-tensors-that-a-call-made",
        HEAD
        + """
def batches(x, y):
    rows = torch.randperm(len(x))
    for start in range(0, len(x), 32):
        yield x[rows[start : start + 32]], y[rows[start : start + 32]]


x, y = torch.randn(512, 16), torch.randint(0, 4, (512,))
public, labels = torch.randn(512, 16), torch.randint(0, 4, (512,))
net, engine = nn.Linear(16, 4), PrivacyEngine()
net, optimizer, loader = engine.make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(TensorDataset(x, y), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
for some, wanted in FACT:
    optimizer.zero_grad()
    F.cross_entropy(net(some), wanted).backward()
    optimizer.step()
print(engine.get_epsilon(1e-5))
""",
        "batches(x, y)",
        "batches(public, labels)",
    ),
)
