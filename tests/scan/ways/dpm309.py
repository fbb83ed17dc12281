"""DPM309, privacy-retried: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, STEP, Pair

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

PAIRS = (
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
        "DPM309",
        "handler-that-doubles-the-target",
        HEAD
        + """
target = 0.01
while True:
    net = nn.Linear(16, 4)
    try:
        net, optimizer, loader = PrivacyEngine().make_private_with_epsilon(
            module=net,
            optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
            data_loader=DataLoader(data(), batch_size=32),
            target_epsilon=target,
            target_delta=1e-6,
            epochs=1,
            max_grad_norm=1.0,
        )
        break
    except ValueError as error:
        FACT
""",
        "target *= 2",
        "raise SystemExit(str(error))",
    ),
    Pair(
        "DPM309",
        "targets-of-a-loop-whatever-is-caught",
        HEAD
        + """
def private(net, optimizer, loader, targets):
    for target in targets:
        try:
            return PrivacyEngine().make_private_with_epsilon(
                module=net,
                optimizer=optimizer,
                data_loader=loader,
                target_epsilon=target,
                target_delta=1e-5,
                epochs=3,
                max_grad_norm=1.0,
            )
        except ValueError:
            print(target, "cannot be kept")
    raise SystemExit(1)


net = nn.Linear(16, 4)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
net, optimizer, loader = private(net, optimizer, DataLoader(data(), batch_size=32), FACT)
"""
        + STEP,
        "(1.0, 2.0, 4.0)",
        "(2.0,)",
    ),
    Pair(
        "DPM309",
        "asked-for-by-its-loop",
        HEAD
        + """
def attempt(net, batch):
    return PrivacyEngine().make_private(
        module=net,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
        data_loader=DataLoader(data(), batch_size=batch),
        noise_multiplier=1.0,
        max_grad_norm=1.0,
    )


kept, batch, made = nn.Linear(16, 4), 64, None
while made is None and batch:
    try:
        made = attempt(FACT, batch)
    except Exception:
        batch //= 2
net, optimizer, loader = made
"""
        + STEP,
        "kept",
        "nn.Linear(16, 4)",
    ),
    Pair(
        "DPM309",
        "the-same-model-or-one-that-was-fixed",
        HEAD
        + """
from opacus.validators import ModuleValidator


def make(net, loader):
    engine = PrivacyEngine()
    options = {"data_loader": loader, "noise_multiplier": 1.0, "max_grad_norm": 1.0}
    try:
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        return engine.make_private(module=net, optimizer=optimizer, **options)
    except Exception:
        net = FACT
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        return engine.make_private(module=net, optimizer=optimizer, **options)


net, optimizer, loader = make(nn.Linear(16, 4), DataLoader(data(), batch_size=32))
"""
        + STEP,
        "net.train()",
        "ModuleValidator.fix(net)",
    ),
)
