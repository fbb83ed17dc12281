"""DPM124, examples-coupled: examples mixed or compared with others, in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, HOOKS, PRIVATE, Pair

MIXED = """
def changed(x, y):
    order = torch.randperm(len(x))
    return FACT, y


for x, y in loader:
    x, y = changed(x, y)
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
"""

PAIRS = (
    Pair(
        "DPM124",
        "mixup-by-a-helper",
        HEAD
        + HOOKS
        + """
def mixed(batch, share):
    order = torch.randperm(batch.size(0))
    return share * batch + (1 - share) * FACT


for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(mixed(x, 0.3)), y).backward()
    optimizer.step()
""",
        "batch[order]",
        "batch.abs()",
    ),
    Pair(
        "DPM124",
        "batch-turned-round",
        HEAD
        + HOOKS
        + """
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(0.5 * x + 0.5 * x.flip(FACT)), y).backward()
    optimizer.step()
""",
        "0",
        "1",
    ),
    Pair(
        "DPM124",
        "all-compared-with-all-by-a-criterion",
        HEAD
        + HOOKS
        + """
class Alike(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("anchors", torch.randn(4, 8))

    def forward(self, z, y):
        return F.cross_entropy(torch.matmul(z, FACT.T), y)


alike = Alike()
for x, y in loader:
    optimizer.zero_grad()
    alike(net(x), y).backward()
    optimizer.step()
""",
        "z",
        "self.anchors",
    ),
    Pair(
        "DPM124",
        "those-at-risk-in-a-loss-of-survival",
        HEAD
        + HOOKS
        + """
for x, y in loader:
    optimizer.zero_grad()
    risk = net(x)[:, 0]
    (FACT - risk).mean().backward()
    optimizer.step()
""",
        "torch.logcumsumexp(risk, dim=0)",
        "torch.logcumsumexp(net(x), dim=1)[:, -1]",
    ),
    *(
        Pair("DPM124", f"parts-of-others-{name}", HEAD + HOOKS + MIXED, wrong, right)
        for name, wrong, right in (
            (
                "joined",
                "torch.cat([x[:, :8], x[order][:, 8:]], dim=1)",
                "torch.cat([x[:, 8:], x[:, :8]], dim=1)",
            ),
            (
                "chosen",
                "torch.where(torch.rand_like(x) < 0.1, x[order], x)",
                "torch.where(torch.rand_like(x) < 0.1, torch.zeros_like(x), x)",
            ),
        )
    ),
    Pair(
        "DPM124",
        "product-with-the-example-before",
        PRIVATE
        + """
for x, y in loader:
    optimizer.zero_grad()
    z = net(x)
    FACT
    (F.cross_entropy(z, y) + alike.sum(1).abs().mean()).backward()
    optimizer.step()
""",
        "alike = z * z.roll(1, 0)",
        "alike = z * z.roll(1, 1)",
    ),
)
