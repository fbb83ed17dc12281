"""DPM108, zero-grad-before-step: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, HOOKS, Pair

PAIRS = (
    Pair(
        "DPM108",
        "end-of-a-context-manager",
        HEAD
        + "import contextlib\n"
        + HOOKS
        + """
@contextlib.contextmanager
def step_behind():
    FACT
    optimizer.step()


for x, y in loader:
    with step_behind():
        F.cross_entropy(net(x), y).backward()
""",
        "yield\n    optimizer.zero_grad()",
        "optimizer.zero_grad()\n    yield",
    ),
)
