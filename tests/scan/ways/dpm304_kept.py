"""DPM304, engine-remade-in-loop: engines that a program keeps under the name of a client, in pairs."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, Pair

CLIENTS = (
    HEAD
    + """
from functools import lru_cache

engines, histories = {}, {0: [], 1: []}
parts, server = [data(), data()], nn.Linear(16, 4)


@lru_cache(maxsize=None)
def engine_of(client):
    return PrivacyEngine()


def made_for(client):
    engines[client] = PrivacyEngine()
    return engines[client]


def kept_for(client):
    if client in engines:
        return engines[client]
    engines[client] = PrivacyEngine()
    return engines[client]


def trained(client):
    net = nn.Linear(16, 4)
    net.load_state_dict(server.state_dict())
    FACT
    net, optimizer, loader = engine.make_private(
        module=net,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
        data_loader=DataLoader(parts[client], batch_size=32),
        noise_multiplier=1.0,
        max_grad_norm=1.0,
    )
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    print(engine.get_epsilon(1e-5))
    histories[client] = engine.accountant.history
    return net._module.state_dict()


for round_number in range(10):
    states = [trained(client) for client in range(2)]
    server.load_state_dict({name: (states[0][name] + states[1][name]) / 2 for name in states[0]})
"""
)

MADE = "engine = PrivacyEngine()"
STORED = "engine = engines[client] = PrivacyEngine()"

PAIRS = tuple(
    Pair("DPM304", f"engines-of-clients-{name}", CLIENTS, wrong, right)
    for name, wrong, right in (
        (
            "where-there-is-none",
            f"if client in engines:\n        print(client)\n    {STORED}",
            f"if client not in engines:\n        {STORED}\n    engine = engines[client]",
        ),
        (
            "or-else",
            "engine = engines.get(0 and client) and PrivacyEngine() or PrivacyEngine()",
            "engine = engines.get(client) or PrivacyEngine()\n    engines[client] = engine",
        ),
        ("by-default", STORED, "engine = engines.setdefault(client, PrivacyEngine())"),
        ("of-a-cache", MADE, "engine = engine_of(client)"),
        (
            "where-the-key-is-missing",
            f"try:\n        print(engines[client])\n    except KeyError:\n        pass\n    {MADE}",
            f"try:\n        engine = engines[client]\n    except KeyError:\n        {STORED}",
        ),
        (
            "where-what-was-got-is-none",
            f"engine = engines.get(client)\n    if engine is None:\n        {MADE}",
            f"engine = engines.get(client)\n    if engine is None:\n        {STORED}",
        ),
        ("by-a-function", "engine = made_for(client)", "engine = kept_for(client)"),
        (
            "whose-history-goes-on",
            f"{MADE}\n    engine.accountant.history = []",
            f"{MADE}\n    engine.accountant.history = list(histories[client])",
        ),
        (
            "in-a-dict-of-each-call",
            f"engines = {{}}\n    if client not in engines:\n        {STORED}\n    engine = engines[client]",
            f"if client not in engines:\n        {STORED}\n    engine = engines[client]",
        ),
    )
)
