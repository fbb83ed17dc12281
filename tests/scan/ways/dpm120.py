"""DPM120, raw-optimizer-stepped: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, HOOKS, PRIVATE, STEP, Pair

BEFORE = """
import copy

records, public = data(), data()
raw = DataLoader(records, batch_size=32)
net = nn.Linear(16, 4)
start = copy.deepcopy(net.state_dict())


def fit(net, batches):
    plain = torch.optim.Adam(net.parameters())
    for x, y in batches:
        plain.zero_grad()
        F.cross_entropy(net(x), y).backward()
        plain.step()


fit(net, raw)
FACT
private, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=raw,
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(private(x), y).backward()
    optimizer.step()
"""

PAIRS = (
    Pair(
        "DPM120",
        "scaler-of-the-optimizer-that-was-passed-in",
        HEAD
        + """
net = nn.Linear(16, 8)
passed_in = torch.optim.SGD(net.parameters(), lr=0.1)
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=passed_in,
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
scaler = torch.amp.GradScaler(enabled=False)
for x, y in loader:
    optimizer.zero_grad()
    scaler.scale(F.cross_entropy(net(x), y)).backward()
    scaler.step(FACT)
""",
        "passed_in",
        "optimizer",
    ),
    *(
        Pair(
            "DPM120",
            f"step-of-the-class-{name}",
            HEAD + HOOKS + STEP.replace("optimizer.step()", "FACT"),
            f"torch.optim.{name}.step(optimizer.original_optimizer)",
            "optimizer.step()",
        )
        for name in ("SGD", "Optimizer")
    ),
    *(
        Pair("DPM120", f"trained-before-{name}", HEAD + BEFORE, wrong, right)
        for name, wrong, right in (
            ("and-made-anew", "pass", "net = nn.Linear(16, 4)"),
            ("and-set-back", "pass", "net.load_state_dict(start)"),
            ("and-drawn-again", "pass", "net.reset_parameters()"),
            ("and-drawn-by-hand", "pass", "nn.init.zeros_(net.weight)"),
            (
                "and-written-to-a-file",
                'torch.save(net.state_dict(), "first.pt")\nnet = nn.Linear(16, 4)\n'
                'net.load_state_dict(torch.load("first.pt"))',
                'torch.save(net.state_dict(), "first.pt")\nnet = nn.Linear(16, 4)\n'
                'net.load_state_dict(torch.load("public.pt"))',
            ),
        )
    ),
    Pair(
        "DPM120",
        "trained-before-on-these-records",
        HEAD + BEFORE.replace("FACT", "pass").replace("fit(net, raw)", "fit(net, FACT)"),
        "DataLoader(records, batch_size=8)",
        "DataLoader(public, batch_size=8)",
    ),
    Pair(
        "DPM120",
        "trained-before-in-another-turn",
        HEAD
        + """
records = data()
net = nn.Linear(16, 4)
for private in (False, True):
    FACT
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    loader = DataLoader(records, batch_size=32)
    if private:
        net, optimizer, loader = PrivacyEngine().make_private(
            module=net, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0
        )
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
""",
        "pass",
        "net = nn.Linear(16, 4)",
    ),
    *(
        Pair(
            "DPM120",
            f"moved-by-hand-{name}",
            PRIVATE
            + """
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    FACT
""",
            wrong,
            right,
        )
        for name, wrong, right in (
            ("operator", "net._module.weight -= 0.1 * net._module.weight.grad", "optimizer.step()"),
            ("method", "[w.data.sub_(0.1 * w.grad) for w in net.parameters()]", "optimizer.step()"),
        )
    ),
)
