"""DPM124, examples-coupled: examples that are compared by the indices of ``einsum``."""

from __future__ import annotations

from tests.scan.ways.programs import PRIVATE, STEP, Pair

PAIRS = (
    Pair(
        "DPM124",
        "compared-by-einsum",
        PRIVATE
        + """
class Criterion(nn.Module):
    def forward(self, z, y):
        alike = torch.einsum(FACT)
        return F.cross_entropy(alike, y)


criterion = Criterion()
"""
        + STEP.replace("F.cross_entropy(net(x), y)", "criterion(net(x), y)"),
        '"id,jd->ij", z, z',
        '"id,id->i", z, z',
    ),
    Pair(
        "DPM124",
        "compared-by-einsum-with-one-another",
        PRIVATE + STEP.replace("net(x), y)", 'torch.einsum("id,jd->ij", net(x), FACT), y)'),
        "net(x)",
        "torch.eye(4)",
    ),
)
