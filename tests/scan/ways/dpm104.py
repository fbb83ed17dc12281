"""DPM104, criterion-ignores-reduction: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import GHOST_MADE, HEAD, Pair

PAIRS = (
    Pair(
        "DPM104",
        "focal-loss-of-a-mean",
        HEAD
        + """
class Focal(nn.Module):
    def __init__(self, gamma=2.0, reduction="mean"):
        super().__init__()
        self.gamma, self.reduction = gamma, reduction

    def forward(self, logits, target):
        one = F.cross_entropy(logits, target, FACT)
        loss = (1 - torch.exp(-one)) ** self.gamma * one
        if self.reduction == "mean":
            return loss.mean()
        return loss


net = nn.Linear(16, 4)
net, optimizer, criterion, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    criterion=Focal(),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
    grad_sample_mode="ghost",
)
for x, y in loader:
    optimizer.zero_grad()
    criterion(net(x), y).backward()
    optimizer.step()
""",
        "label_smoothing=0.1",
        'reduction="none"',
    ),
    Pair(
        "DPM104",
        "mean-of-what-the-library-gives",
        HEAD
        + """

class Clamped(nn.SmoothL1Loss):
    def forward(self, input, target):
        return FACT


net = nn.Sequential(nn.Linear(16, 1), nn.Flatten(0))
"""
        + GHOST_MADE.replace("nn.CrossEntropyLoss()", "Clamped()"),
        "super().forward(input, target).clamp(max=4.0).mean()",
        "super().forward(input, target).clamp(max=4.0)",
    ),
    Pair(
        "DPM104",
        "criterion-of-a-table-that-a-decorator-fills",
        HEAD
        + """
LOSSES = {"ce": nn.CrossEntropyLoss}


def register(name):
    def put(cls):
        LOSSES[name] = cls
        return cls

    return put


@register("focal")
class Focal(nn.Module):
    def forward(self, logits, y):
        losses = F.cross_entropy(logits, y, reduction="none")
        return ((1 - torch.exp(-losses)) ** 2 * losses).mean()


net = nn.Linear(16, 4)
"""
        + GHOST_MADE.replace("nn.CrossEntropyLoss()", 'LOSSES["FACT"]()')
        + """
for x, y in loader:
    criterion(net(x), y).backward()
    optimizer.step()
    optimizer.zero_grad()
""",
        "focal",
        "ce",
    ),
)
