"""DPM306, delta-too-large: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, HOOKS, PRIVATE, STEP, Pair

PAIRS = (
    *(
        Pair(
            "DPM306",
            f"dict-that-is-read-by-attribute-{name}",
            HEAD
            + f"""
import easydict


class Config(dict):
    {body}


config = {made}
net = nn.Linear(16, 4)
engine = PrivacyEngine()
net, optimizer, loader = engine.make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=config.lr),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
"""
            + STEP
            + "print(engine.get_epsilon(config.delta))\n",
            "0.05",
            "1e-6",
        )
        for name, body, made in (
            ("of-the-program", "__getattr__ = dict.__getitem__", "Config(lr=0.1, delta=FACT)"),
            (
                "with-a-method",
                "def __getattr__(self, name):\n        return self[name]",
                'Config({"lr": 0.1, "delta": FACT})',
            ),
            ("of-a-library", "pass", 'easydict.EasyDict({"lr": 0.1, "delta": FACT})'),
        )
    ),
    *(
        Pair(
            "DPM306",
            f"a-length-kept-above-zero-{name}",
            PRIVATE + STEP + f"\nrecords = data()\nprint(engine.get_epsilon(delta=1 / ({kept})))\n",
            "len(loader)",
            "20 * len(records)",
        )
        for name, kept in (
            ("by-max", "max(FACT, 1)"),
            ("by-a-float", "max(1.0, FACT)"),
            ("by-or", "FACT or 1"),
        )
    ),
    Pair(
        "DPM306",
        "batches-counted-by-division",
        HEAD
        + """
records = data()
steps = len(records) // 32
net = nn.Linear(16, 4)
engine = PrivacyEngine()
net, optimizer, loader = engine.make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(records, batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
"""
        + STEP
        + "print(engine.get_epsilon(FACT))\n",
        "1.0 / steps",
        "1.0 / len(records) ** 1.5",
    ),
    Pair(
        "DPM306",
        "one-over-twice-the-batches",
        PRIVATE
        + STEP
        + """
print(engine.get_epsilon(delta=FACT))
""",
        "1 / (2 * len(loader))",
        "1 / (2 * len(loader) * len(loader))",
    ),
    Pair(
        "DPM306",
        "records-counted-in-a-tensor",
        HEAD
        + """
X, Y = torch.randn(512, 16), torch.randint(0, 4, (512,))
net = nn.Linear(16, 4)
engine = PrivacyEngine()
net, optimizer, loader = engine.make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(TensorDataset(X, Y), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
"""
        + STEP
        + """
print(engine.get_epsilon(delta=FACT))
""",
        "1 / len(X)",
        "1 / (10 * len(X))",
    ),
    Pair(
        "DPM306",
        "records-counted-in-a-shape",
        HEAD
        + """
X, Y = torch.randn(512, 16), torch.randint(0, 4, (512,))
net = nn.Linear(16, 4)
engine = PrivacyEngine()
net, optimizer, loader = engine.make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(TensorDataset(X, Y), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
"""
        + STEP
        + """
delta = FACT
print(engine.get_epsilon(delta))
""",
        "1 / X.shape[0]",
        "1 / X.shape[0] ** 2",
    ),
    *(
        Pair(
            "DPM306",
            name,
            HEAD
            + f"""

def size(loader):
    {counting}


def train(net, loader):
    delta = 1 / size(loader)
    net, optimizer, loader = PrivacyEngine().make_private_with_epsilon(
        module=net,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
        data_loader=loader,
        target_epsilon=3.0,
        target_delta=delta,
        epochs=2,
        max_grad_norm=1.0,
    )
"""
            + STEP.replace("\n", "\n    ")
            + "\n\ntrain(nn.Linear(16, 4), DataLoader(data(), batch_size=32))\n",
            wrong,
            right,
        )
        for name, counting, wrong, right in (
            (
                "batches-counted-by-a-loop",
                "n = 0\n    for x, y in loader:\n        n += FACT\n    return n",
                "1",
                "10 * len(x)",
            ),
            (
                "batches-counted-by-a-sum",
                "return sum(FACT)",
                "1 for _ in loader",
                "20 * len(x) for x, _ in loader",
            ),
        )
    ),
    Pair(
        "DPM306",
        "power-of-ten",
        HEAD
        + HOOKS
        + """
engine = PrivacyEngine()
net, optimizer, loader = engine.make_private(
    module=nn.Linear(16, 8),
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
for x, y in loader:
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
    optimizer.zero_grad()
print(engine.get_epsilon(10**FACT))
""",
        "-1",
        "-6",
    ),
    Pair(
        "DPM306",
        "batches-counted-by-ceil",
        HEAD
        + """
import math

SIZE = 32
records = data()
net = nn.Linear(16, 4)
net, optimizer, loader = PrivacyEngine().make_private_with_epsilon(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(records, batch_size=SIZE),
    target_epsilon=3.0,
    target_delta=1 / math.ceil(FACT),
    epochs=2,
    max_grad_norm=1.0,
)
"""
        + STEP,
        "len(records) / SIZE",
        "len(records) * 10.5",
    ),
    Pair(
        "DPM306",
        "length-to-the-power-of-minus-one",
        HEAD
        + """
records = data()
net = nn.Linear(16, 4)
batches = DataLoader(records, batch_size=32)
net, optimizer, loader = PrivacyEngine().make_private_with_epsilon(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=batches,
    target_epsilon=3.0,
    target_delta=len(FACT,
    epochs=2,
    max_grad_norm=1.0,
)
"""
        + STEP,
        "batches) ** -1",
        "records) ** -1.1",
    ),
    *(
        Pair(
            "DPM306",
            f"one-over-a-root-{name}",
            PRIVATE
            + STEP
            + f"""
import math
import numpy as np

records = data()
print(engine.get_epsilon(delta={delta}))
""",
            wrong,
            right,
        )
        for name, delta, wrong, right in (
            ("called-so", "1 / FACT", "math.sqrt(len(records))", "(10 * len(records))"),
            (
                "of-another-library",
                "1.0 / (FACT)",
                "np.sqrt(len(loader.dataset))",
                "10 * len(loader.dataset)",
            ),
            ("as-a-power", "1 / len(records) ** FACT", "0.9", "1.1"),
            ("as-a-negative-power", "len(records) ** FACT", "-0.5", "-1.5"),
            ("by-pow", "pow(len(records), FACT)", "-0.9", "-1.1"),
            ("of-batches", "1 / len(loader) ** FACT", "0.5", "4"),
        )
    ),
    Pair(
        "DPM306",
        "settings-of-a-file-that-are-updated",
        PRIVATE
        + STEP
        + """
import json

settings = json.load(open("settings.json"))
settings.update({"epochs": 3, FACT})
print(engine.get_epsilon(settings["delta"]))
""",
        '"delta": 0.05',
        '"delta": 1e-6',
    ),
)
