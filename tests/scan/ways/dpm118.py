"""DPM118, hooks-left-disabled: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import GHOST_MADE, HEAD, PRIVATE, Pair

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
    Pair(
        "DPM118",
        "hooks-off-for-a-generator-in-hooks-mode",
        PRIVATE
        + """
generator = nn.Linear(4, 16)
raw = torch.optim.Adam(generator.parameters())


def improve(number):
    net.disable_hooks()
    raw.zero_grad()
    net(generator(torch.randn(number, 4))).mean().backward()
    raw.step()
    FACT


for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
    improve(len(x))
""",
        "print(number)",
        "net.enable_hooks()",
    ),
    Pair(
        "DPM118",
        "hooks-off-when-training-is-over",
        PRIVATE
        + """
def turn():
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
FACT

for _ in range(3):
    turn()
for _ in range(9):
    net.disable_hooks()
    print(net(torch.randn(4, 16)).sum().item())
""",
        "        net.disable_hooks()",
        "        print(len(x))",
    ),
)
