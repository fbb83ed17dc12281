"""DPM124, examples-coupled: batches out of which a statistic is taken before a model or a loss gets them."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, Pair

STANDARD = "(t - t.mean()) / (t.std() + 1e-5)"
PRIVATE = """
net = nn.Linear(16, 1)
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32COLLATE),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
"""
BEFORE = (
    HEAD
    + f"""

def standard(t):
    return {STANDARD}


"""
    + PRIVATE.replace("COLLATE", "")
    + """
for x, y in loader:
    optimizer.zero_grad()
    FACT
    loss = F.mse_loss(net(x).squeeze(1), y)
    loss.backward()
    optimizer.step()
"""
)
COLLATED = (
    HEAD
    + """

def collate(records):
    x = torch.stack([x for x, _ in records])
    y = torch.stack([y for _, y in records])
    FACT
    return x, y


"""
    + PRIVATE.replace("COLLATE", ", collate_fn=collate")
    + """
for x, y in loader:
    optimizer.zero_grad()
    F.mse_loss(net(x).squeeze(1), y).backward()
    optimizer.step()
"""
)

PAIRS = (
    *(
        Pair("DPM124", f"before-the-model-{name}", BEFORE, wrong, right)
        for name, wrong, right in (
            ("targets-or-a-figure", "y = standard(y)", "print(standard(y))"),
            ("all-or-each", "x = standard(x)", "x = torch.stack([standard(one) for one in x])"),
            ("in-the-loop", "x = " + STANDARD.replace("t", "x", 1).replace("t.", "x."), "x = x / 2"),
            ("smallest", "x = (x - x.min()) / 2", "x = (x - x.amin(1, keepdim=True)) / 2"),
            ("mapped", "y = standard(y)", "x = torch.stack(list(map(standard, x)))"),
            ("several-dimensions", "x = x - x.mean(dim=(0, 1))", "x = x - x.mean(dim=(1,), keepdim=True)"),
            ("spread", "y = y - y.mean()", "r2 = 1 - 1 / ((y - y.mean()) ** 2).sum()"),
        )
    ),
    Pair("DPM124", "collated", COLLATED, "x = x - x.mean(0)", "x = x - x.mean(1, keepdim=True)"),
    Pair("DPM124", "collated-all", COLLATED, "y = (y - y.mean()) / y.std()", "y = y / 10"),
)
