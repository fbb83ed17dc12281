"""DPM121, class-weights: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import PRIVATE, Pair

PAIRS = (
    Pair(
        "DPM121",
        "criterion-of-the-program-that-weighs",
        PRIVATE
        + """
class Balanced(nn.Module):
    def __init__(self, counts):
        super().__init__()
        self.register_buffer("weight", counts.sum() / counts)

    def forward(self, out, y):
        return F.cross_entropy(out, y, weight=FACT)


criterion = Balanced(torch.ones(4))
for x, y in loader:
    optimizer.zero_grad()
    criterion(net(x), y).backward()
    optimizer.step()
""",
        "self.weight",
        "None",
    ),
)
