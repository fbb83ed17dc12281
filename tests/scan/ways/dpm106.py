"""DPM106, accumulation-without-memory-manager: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import GHOST_GIVEN, HEAD, Pair

PAIRS = (
    Pair(
        "DPM106",
        "parts-that-a-generator-hands-on",
        HEAD
        + "\nnet = nn.Linear(16, 4)\n"
        + GHOST_GIVEN.replace("CRITERION", "nn.CrossEntropyLoss")
        + """
def parts(x, y):
    yield from FACT


for x, y in loader:
    optimizer.zero_grad()
    for some, wanted in parts(x, y):
        criterion(net(some), wanted).backward()
    optimizer.step()
""",
        "zip(x.chunk(4), y.chunk(4))",
        "[(x, y)]",
    ),
    Pair(
        "DPM106",
        "every-turn-by-a-counter",
        HEAD
        + "net = nn.Linear(16, 4)"
        + GHOST_GIVEN.replace("CRITERION", "nn.CrossEntropyLoss")
        + """
K = FACT
for i, (x, y) in enumerate(loader, start=1):
    criterion(net(x), y).backward()
    if i % K and i != len(loader):
        continue
    optimizer.step()
    optimizer.zero_grad()
""",
        "4",
        "1",
    ),
    Pair(
        "DPM106",
        "one-piece-or-several",
        HEAD
        + "net = nn.Linear(16, 4)"
        + GHOST_GIVEN.replace("CRITERION", "nn.CrossEntropyLoss")
        + """
for x, y in loader:
    optimizer.zero_grad()
    for some, wanted in zip(x.chunk(FACT), y.chunk(FACT)):
        criterion(net(some), wanted).backward()
    optimizer.step()
""",
        "2",
        "1",
    ),
    Pair(
        "DPM106",
        "two-losses-of-a-physical-batch",
        HEAD
        + "net = nn.Linear(16, 4)"
        + GHOST_GIVEN.replace("CRITERION", "nn.CrossEntropyLoss")
        + """
with BatchMemoryManager(data_loader=loader, max_physical_batch_size=8, optimizer=optimizer) as batches:
    for x, y in batches:
        optimizer.zero_grad()
        FACT
        criterion(net(x), y).backward()
        optimizer.step()
""",
        "criterion(net(x + 0.1), y).backward()",
        "criterion(net(x + 0.1), y)",
    ),
    Pair(
        "DPM106",
        "turns-that-an-object-counts",
        HEAD
        + """
class Turns:
    def __init__(self, every):
        self.every, self.made = every, 0

    def over(self):
        self.made += 1
        return self.made % self.every == 0


net = nn.Linear(16, 4)
turns = Turns(FACT)
"""
        + GHOST_GIVEN.replace("CRITERION", "nn.CrossEntropyLoss")
        + """
for x, y in loader:
    criterion(net(x), y).backward()
    if turns.over():
        optimizer.step()
        optimizer.zero_grad()
""",
        "4",
        "1",
    ),
)
