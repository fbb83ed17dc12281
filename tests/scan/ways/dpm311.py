"""DPM311, privacy-silently-off: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, STEP, Pair

PAIRS = (
    *(
        Pair(
            "DPM311",
            f"suppressed-{name}",
            HEAD
            + """
import contextlib
from contextlib import suppress

net = nn.Linear(16, 8)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
loader = DataLoader(data(), batch_size=32)
with FACT:
    net, optimizer, loader = PrivacyEngine().make_private(
        module=net, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0
    )
"""
            + STEP,
            wrong,
            "contextlib.nullcontext()",
        )
        for name, wrong in (
            ("everything", "contextlib.suppress(Exception)"),
            ("some", "suppress(ValueError, RuntimeError)"),
        )
    ),
    Pair(
        "DPM311",
        "optimizer-from-outside-steps-where-privacy-failed",
        HEAD
        + """
def private_or_not(net, optimizer, loader):
    engine = None
    try:
        engine = PrivacyEngine()
        net, optimizer, loader = engine.make_private(
            module=net, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0
        )
    except Exception as error:
        print("no privacy:", error)
        FACT
    return net, optimizer, loader, engine


def main(net, optimizer, loader):
    net, optimizer, loader, engine = private_or_not(net, optimizer, loader)
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    if engine:
        print(engine.get_epsilon(1e-5))
""",
        "engine = None",
        "raise SystemExit(1)",
    ),
    *(
        Pair(
            "DPM311",
            f"privacy-failed-and-{name}",
            f"{HEAD}{before}"
            + """
net = nn.Linear(16, 4)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
loader = DataLoader(data(), batch_size=32)
try:
    net, optimizer, loader = PrivacyEngine().make_private(
        module=net, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0
    )
except Exception as error:
    print("no privacy:", error)
    FACT
"""
            + STEP,
            "pass",
            leaves,
        )
        for name, before, leaves in (
            ("the-program-ends", "import sys\n", "sys.exit(1)"),
            (
                "usage-is-shown",
                "import argparse\nparser = argparse.ArgumentParser()\n",
                'parser.error("none")',
            ),
            (
                "a-function-ends-it",
                "import sys\n\n\ndef give_up(why):\n    sys.exit(why)\n\n\n",
                "give_up(error)",
            ),
        )
    ),
    Pair(
        "DPM311",
        "opacus-not-installed",
        HEAD.replace(
            "from opacus import PrivacyEngine\n"
            "from opacus.utils.batch_memory_manager import BatchMemoryManager\n",
            "try:\n    from opacus import PrivacyEngine\nexcept ImportError:\n    FACT\n",
        )
        + """

net = nn.Linear(16, 4)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
loader = DataLoader(data(), batch_size=32)
if PrivacyEngine is not None:
    net, optimizer, loader = PrivacyEngine().make_private(
        module=net, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0
    )"""
        + STEP,
        "PrivacyEngine = None",
        "raise",
    ),
    *(
        Pair(
            "DPM311",
            f"opacus-imported-by-{name}-or-not",
            HEAD.replace("from opacus", "# from opacus")
            + f"""
import importlib

try:
    opacus = {imported}
except ImportError:
    FACT
net = nn.Linear(16, 4)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
loader = DataLoader(data(), batch_size=32)
if opacus is not None:
    net, optimizer, loader = opacus.PrivacyEngine().make_private(
        module=net, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0
    )
"""
            + STEP,
            "opacus = None",
            "raise",
        )
        for name, imported in (
            ("importlib", 'importlib.import_module("opacus")'),
            ("dunder-import", '__import__("opacus")'),
        )
    ),
    Pair(
        "DPM311",
        "opacus-looked-for-or-not",
        HEAD.replace("from opacus", "# from opacus")
        + """
from importlib.util import find_spec

FOUND = find_spec("opacus") is not None
if FOUND:
    from opacus import PrivacyEngine
else:
    FACT
net = nn.Linear(16, 4)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
loader = DataLoader(data(), batch_size=32)
if FOUND:
    net, optimizer, loader = PrivacyEngine().make_private(
        module=net, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0
    )
"""
        + STEP,
        "print('plain')",
        "raise SystemExit('opacus is needed')",
    ),
)
