"""DPM107, loss-arithmetic: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import GHOST_MADE, HEAD, Pair

PAIRS = (
    Pair(
        "DPM107",
        "penalty-put-together-by-reduce",
        HEAD
        + "import functools\nimport operator\n\nnet = nn.Linear(16, 4)"
        + GHOST_MADE
        + """
for x, y in loader:
    optimizer.zero_grad()
    size = functools.reduce(operator.add, (p.abs().sum() for p in net.parameters()))
    loss = criterion(net(x), y)
    FACT
    loss.backward()
    optimizer.step()
""",
        "loss = loss + 0.01 * size",
        "print(0.01 * size)",
        ">=1.6.0",
    ),
)
