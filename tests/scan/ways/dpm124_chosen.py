"""DPM124, examples-coupled: losses chosen or weighed by what the whole batch has, in pairs."""

from __future__ import annotations

from tests.scan.ways.programs import PRIVATE, Pair

CHOSEN = (
    PRIVATE
    + """
for x, y in loader:
    optimizer.zero_grad()
    losses = F.cross_entropy(net(x), y, reduction="none")
    FACT
    loss.backward()
    optimizer.step()
"""
)

HELPER = (
    PRIVATE
    + """
def hard_ones(losses, bound=0.7):
    limit = FACT
    mask = losses >= limit
    return torch.masked_select(losses, mask).mean()


for x, y in loader:
    optimizer.zero_grad()
    hard_ones(F.cross_entropy(net(x), y, reduction="none")).backward()
    optimizer.step()
"""
)

SPREAD = (
    PRIVATE
    + """
def term(z):
    return FACT


for x, y in loader:
    optimizer.zero_grad()
    output = net(x)
    (F.cross_entropy(output, y) + 0.1 * term(output)).backward()
    optimizer.step()
"""
)

PAIRS = (
    Pair("DPM124", "chosen-by-a-helper", HELPER, "losses.detach().median()", "bound"),
    *(
        Pair("DPM124", f"chosen-{name}", CHOSEN, wrong, right)
        for name, wrong, right in (
            (
                "by-index",
                "loss = losses[losses > losses.mean()].mean()",
                "loss = losses[losses > 0.5].mean()",
            ),
            (
                "by-quantile",
                "loss = losses[losses > torch.quantile(losses.detach(), 0.5)].mean()",
                "loss = losses[torch.rand(len(x)) > 0.5].mean()",
            ),
            (
                "by-method",
                "loss = losses.masked_select(losses.gt(losses.detach().mean())).mean()",
                "loss = losses.masked_select(losses.gt(1.5)).mean()",
            ),
            (
                "by-order",
                "order = losses.detach().argsort()\n    loss = losses[order[-8:]].mean()",
                "order = torch.arange(8)\n    loss = losses[order].mean()",
            ),
            (
                "hardest",
                "loss = torch.topk(losses, 8)[0].mean()",
                "print(net(x).topk(2)[0])\n    loss = losses.mean()",
            ),
            (
                "hardest-by-method",
                "loss = losses.topk(8)[0].mean()",
                "print(losses.topk(8)[0].detach().tolist())\n    loss = losses.mean()",
            ),
            (
                "weighed-by-test",
                "weight = (losses > losses.mean()).float()\n    loss = (losses * weight).mean()",
                "weight = (losses > 2.0).float()\n    loss = (losses * weight).mean()",
            ),
            (
                "weighed-by-share",
                "loss = (losses * torch.softmax(losses.detach(), dim=0)).sum()",
                "loss = (losses * torch.sigmoid(losses.detach())).mean()",
            ),
            (
                "by-where",
                "loss = torch.where(losses < losses.mean(), losses, torch.zeros_like(losses)).mean()",
                "loss = torch.where(losses < 1.0, losses, torch.zeros_like(losses)).mean()",
            ),
        )
    ),
    Pair(
        "DPM124",
        "compared-with-the-other-half-of-the-batch",
        PRIVATE
        + """
def aligned(one, other):
    one, other = F.normalize(one, dim=1), F.normalize(other, dim=1)
    return F.cross_entropy(one @ FACT, torch.arange(len(one)))


for x, y in loader:
    optimizer.zero_grad()
    aligned(net(x), x[:, :4]).backward()
    optimizer.step()
""",
        "other.t()",
        "torch.randn(8, 4).t()",
    ),
    *(
        Pair("DPM124", f"spread-over-the-batch-{name}", SPREAD, wrong, right)
        for name, wrong, right in (
            (
                "in-a-term",
                "torch.relu(1 - torch.sqrt(z.var(dim=0) + 1e-4)).mean()",
                "torch.relu(1 - torch.sqrt(z.var(dim=1) + 1e-4)).mean()",
            ),
            ("by-torch", "-torch.std(z, 0).sum()", "print(z.std(0).mean().item()) or 0.0"),
        )
    ),
)
