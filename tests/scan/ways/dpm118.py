"""DPM118, hooks-left-disabled: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import GHOST_MADE, HEAD, Pair

PAIRS = (
    Pair(
        "DPM118",
        "hooks-off-for-a-look",
        HEAD
        + "\nnet = nn.Linear(16, 4)\n"
        + GHOST_MADE
        + """

def look(x, y):
    net.disable_hooks()
    x = x.clone().requires_grad_(True)
    F.cross_entropy(net(x), y).backward()
    FACT
    return x.grad


for x, y in loader:
    optimizer.zero_grad()
    criterion(net(x), y).backward()
    optimizer.step()
    optimizer.zero_grad()
    look(x, y)
    optimizer.zero_grad()
""",
        "print(x.grad.norm())",
        "net.enable_hooks()",
    ),
)
