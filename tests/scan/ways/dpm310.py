"""DPM310, accountant-not-resumed: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, PRIVATE, STEP, Pair

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

PAIRS = (
    Pair(
        "DPM310",
        "accountant-saved-and-not-loaded",
        HEAD
        + """
from pathlib import Path

CHECKPOINT = Path("runs") / "last.pt"
engine = PrivacyEngine()
net = nn.Linear(16, 4)
if CHECKPOINT.exists():
    state = torch.load(CHECKPOINT, map_location="cpu")
    FACT
net, optimizer, loader = engine.make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=64),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
for epoch in range(3):
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    kept = {"net": net._module.state_dict(), "accountant": engine.accountant.state_dict()}
    torch.save(kept, CHECKPOINT)
print(engine.get_epsilon(1e-5))
""",
        'net.load_state_dict(state["net"])',
        'net.load_state_dict(state["net"]); engine.accountant.load_state_dict(state["accountant"])',
    ),
    Pair("DPM310", "one-stage-after-another", STAGES, '"one.pt"', '"public.pt"'),
    Pair(
        "DPM310",
        "file-by-an-option-with-a-default",
        HEAD
        + """
import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--resume", action="store_true")
parser.add_argument("--out", default="last.pt")
args = parser.parse_args()
net = nn.Linear(16, 4)
if args.resume:
    net.load_state_dict(torch.load(FACT))
private, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(private(x), y).backward()
    optimizer.step()
torch.save(private._module.state_dict(), args.out)
""",
        "args.out",
        '"public.pt"',
    ),
    Pair(
        "DPM310",
        "whole-model-of-a-file",
        HEAD
        + """
import os

net = torch.load(FACT, weights_only=False) if os.path.exists("net.pt") else nn.Linear(16, 4)
private, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(private(x), y).backward()
    optimizer.step()
torch.save(private._module, "net.pt")
""",
        '"net.pt"',
        '"public.pt"',
    ),
    Pair(
        "DPM310",
        "parts-of-a-checkpoint-one-by-one",
        HEAD
        + """
engine, net = PrivacyEngine(), nn.Linear(16, 4)
net, optimizer, loader = engine.make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
parts = {"net": net, "optimizer": optimizer}
FACT
kept = torch.load("last.pt")
for name, part in parts.items():
    part.load_state_dict(kept[name])
"""
        + STEP
        + """
torch.save({name: part.state_dict() for name, part in parts.items()}, "last.pt")
""",
        "print(parts)",
        'parts["accountant"] = engine.accountant',
    ),
    Pair(
        "DPM310",
        "weights-of-a-checkpoint-of-the-engine",
        PRIVATE
        + """
FACT
"""
        + STEP
        + """
engine.save_checkpoint(path="last.ckpt", module=net, optimizer=optimizer)
print(engine.get_epsilon(1e-6))
""",
        'net.load_state_dict(torch.load("last.ckpt")["module_state_dict"])',
        'engine.load_checkpoint(path="last.ckpt", module=net, optimizer=optimizer)',
    ),
    *(
        Pair(
            "DPM310",
            f"file-{name}",
            HEAD
            + f"""
import glob
from pathlib import Path


def main(folder, run, before):
    net, engine = nn.Linear(16, 4), PrivacyEngine()
    path = Path(folder) / run
    FACT
    net, optimizer, loader = engine.make_private(
        module=net,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
        data_loader=DataLoader(data(), batch_size=64),
        noise_multiplier=1.0,
        max_grad_norm=1.0,
    )
    for epoch in range(3):
        for x, y in loader:
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
        torch.save({{"net": net._module.state_dict()}}, {written})
    return engine.get_epsilon(1e-5)
""",
            f"net.load_state_dict(torch.load({wrong})['net'])",
            f"net.load_state_dict(torch.load({right})['net'])",
        )
        for name, written, wrong, right in (
            (
                "below-the-folder-of-another-run",
                "path / 'last.pt'",
                "Path(folder) / before / 'last.pt'",
                "Path(before) / 'last.pt'",
            ),
            (
                "below-a-folder-in-full",
                "path.expanduser().resolve().joinpath('last.pt')",
                "path.resolve().joinpath('last.pt')",
                "path.resolve().joinpath('public.pt')",
            ),
            ("by-a-text", "f'{folder}/last.pt'", "folder + '/last.pt'", "f'{folder}/public.pt'"),
            (
                "that-was-looked-up",
                "path / f'{epoch:03d}.pt'",
                "sorted(path.glob('*.pt'))[-1]",
                "sorted(path.glob('public*.pt'))[-1]",
            ),
            (
                "by-a-pattern",
                "f'{folder}/epoch_{epoch}.pt'",
                "sorted(glob.glob(f'{folder}/epoch_*.pt'))[-1]",
                "sorted(glob.glob(f'{before}/epoch_*.pt'))[-1]",
            ),
        )
    ),
    Pair(
        "DPM310",
        "stages-of-which-each-execution-does-one",
        HEAD
        + """
import sys


def train(begin):
    net, engine = nn.Linear(16, 4), PrivacyEngine()
    net, optimizer, loader = engine.make_private(
        module=net,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
        data_loader=DataLoader(data(), batch_size=64),
        noise_multiplier=1.0,
        max_grad_norm=1.0,
    )
    if begin:
        net.load_state_dict(torch.load(begin))
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    return net


if sys.argv[1:] == ["first"]:
    torch.save(train(None).state_dict(), "first.pt")
else:
    train(FACT)
""",
        '"first.pt"',
        '"public.pt"',
    ),
    Pair(
        "DPM310",
        "the-largest-name-in-a-folder",
        PRIVATE
        + """
import os

folder = "checkpoints"
names = [name for name in os.listdir(folder) if name.endswith(".pt")]
if names:
    state = torch.load(os.path.join(folder, max(names, key=len)))
    net.load_state_dict(state["net"])
    FACT
for epoch in range(5):
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    state = {"net": net.state_dict(), "spent": engine.accountant.state_dict()}
    torch.save(state, os.path.join(folder, f"{epoch}.pt"))
    print(engine.get_epsilon(1e-5))
""",
        "print(len(names))",
        'engine.accountant.load_state_dict(state["spent"])',
    ),
)
