"""DPM115, loss-reduction-mismatch: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, HOOKS, Pair

SUMMED = """
criterion = nn.CrossEntropyLoss(reduction="REDUCTION")
for x, y in loader:
    optimizer.zero_grad()
    loss = criterion(net(x), y)
    FACT
    optimizer.step()
"""

TWO_PASSES = """
net = Net()
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
    grad_sample_mode="ghost",
    clipping="ghost",
    loss_reduction="TOLD",
)
for x, y in loader:
    losses = F.cross_entropy(net(x), y, reduction="none")
    FACT.backward(retain_graph=True)
    optimizer.zero_grad()
    factors = net.get_coeff()
    net.disable_hooks()
    (factors * losses).sum().backward()
    net.enable_hooks()
    optimizer.step()
    optimizer.zero_grad()
"""

PAIRS = (
    Pair(
        "DPM115",
        "per-sample-gradients-that-no-step-takes",
        HEAD
        + HOOKS.replace("lr=0.1))", 'lr=0.1), loss_reduction="sum")')
        + """
for x, y in loader:
    F.cross_entropy(net(x), y).backward()
    FACT
    optimizer.zero_grad()
torch.save({"optimizer": optimizer.state_dict()}, "state.pt")
""",
        "optimizer.step()",
        "print([p.grad_sample.norm() for p in net.parameters()])",
    ),
    Pair(
        "DPM115",
        "outputs-summed-for-an-empty-batch",
        HEAD
        + HOOKS
        + """
for x, y in loader:
    optimizer.zero_grad()
    output = net(x)
    loss = FACT if len(x) else output.sum()
    loss.backward()
    optimizer.step()
""",
        'F.cross_entropy(output, y, reduction="sum")',
        "F.cross_entropy(output, y)",
    ),
    Pair(
        "DPM115",
        "mean-in-hooks-mode",
        HEAD
        + HOOKS.replace("lr=0.1))", 'lr=0.1), loss_reduction="sum")')
        + """
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(x), y, reduction=FACT).backward()
    optimizer.step()
""",
        '"mean"',
        '"sum"',
    ),
    *(
        Pair(
            "DPM115",
            f"sum-under-a-mean-{name}",
            HEAD + HOOKS + SUMMED.replace("REDUCTION", reduction),
            wrong,
            right,
        )
        for name, reduction, wrong, right in (
            ("divided", "sum", "loss.backward()", "(loss / len(x)).backward()"),
            ("of-losses", "none", "loss.sum().backward()", "loss.mean().backward()"),
            ("by-a-function", "none", "torch.sum(loss).backward()", "torch.mean(loss).backward()"),
        )
    ),
    Pair(
        "DPM115",
        "sum-of-what-is-a-mean-already",
        HEAD
        + HOOKS
        + """
criterion = nn.CrossEntropyLoss(reduction=FACT)
for x, y in loader:
    optimizer.zero_grad()
    criterion(net(x), y).sum().backward()
    optimizer.step()
""",
        '"none"',
        '"mean"',
    ),
    *(
        Pair(
            "DPM115",
            f"first-pass-{name}",
            HEAD + TWO_PASSES.replace("TOLD", told),
            wrong,
            right,
            "==1.5.2",
        )
        for name, told, wrong, right in (
            ("divided-by-hand", "mean", "losses.sum()", "(losses.sum() / len(x))"),
            ("multiplied-by-hand", "sum", "losses.mean()", "(losses.mean() * len(x))"),
        )
    ),
    Pair(
        "DPM115",
        "told-to-the-wrapped-module",
        HEAD
        + """
from opacus.grad_sample import GradSampleModuleFastGradientClipping
from opacus.optimizers import DPOptimizerFastGradientClipping

net = GradSampleModuleFastGradientClipping(nn.Linear(16, 4), max_grad_norm=1.0, loss_reduction="mean")
optimizer = DPOptimizerFastGradientClipping(
    torch.optim.SGD(net.parameters(), lr=0.1),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
    expected_batch_size=32,
    loss_reduction="mean",
)
for x, y in DataLoader(data(), batch_size=32):
    losses = F.cross_entropy(net(x), y, reduction="none")
    losses.FACT().backward(retain_graph=True)
    optimizer.zero_grad()
    factors = net.get_coeff()
    net.disable_hooks()
    (factors * losses).sum().backward()
    net.enable_hooks()
    optimizer.step()
    optimizer.zero_grad()
""",
        "sum",
        "mean",
        "==1.5.2",
    ),
    Pair(
        "DPM115",
        "a-mean-whose-gradients-are-looked-at-and-cleared",
        HEAD
        + """
net = nn.Linear(16, 4)
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
    loss_reduction="sum",
)
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(x), y, reduction="sum").backward()
    optimizer.step()
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    FACT
    optimizer.zero_grad()
""",
        "optimizer.step()",
        "print([parameter.grad_sample.norm() for parameter in net.parameters()])",
    ),
)
