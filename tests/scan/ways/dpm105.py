"""DPM105, loss-not-one-per-example: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import GHOST_GIVEN, HEAD, STEPS, Pair, ghost_run

PAIRS = (
    Pair(
        "DPM105",
        "a-loss-for-each-of-several-outputs",
        ghost_run(
            "return self.decode(torch.relu(self.encode(x)))FACT",
            """
self.encode, self.decode = nn.Linear(16, 4), nn.Linear(4, 16)""",
            "nn.MSELoss()",
        ),
        "",
        ".mean(dim=1)",
    ),
    *(
        Pair(
            "DPM105",
            f"column-of-layers-{name}",
            HEAD
            + f"""
from collections import OrderedDict

net = {made}
net, optimizer, criterion, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    criterion=nn.BCEWithLogitsLoss(),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
    grad_sample_mode="ghost",
)
for x, y in loader:
    optimizer.zero_grad()
    criterion(net(x), y.float().unsqueeze(1)).backward()
    optimizer.step()
""",
            "",
            ', ("flat", nn.Flatten(0))' if "Ordered" in made else '\nnet.add_module("flat", nn.Flatten(0))',
        )
        for name, made in (
            ("added", 'nn.Sequential(nn.ReLU())\nnet.add_module("last", nn.Linear(16, 1))FACT'),
            ("named", 'nn.Sequential(OrderedDict([("first", nn.ReLU()), ("last", nn.Linear(16, 1))FACT]))'),
        )
    ),
    *(
        Pair(
            "DPM105",
            f"column-of-layers-made-{name}",
            HEAD
            + f"""
class Net(nn.Module):
    def __init__(self, widths):
        super().__init__()
        layers = []
        {loop}
            layers += [{layer}, nn.Tanh()]
        self.body = nn.Sequential(*layers[:-1])

    def forward(self, x):
        return FACT


net = Net([16, 8, 1])
"""
            + GHOST_GIVEN.replace("CRITERION", "nn.HuberLoss")
            + STEPS,
            "self.body(x)",
            "self.body(x).squeeze(-1)",
        )
        for name, loop, layer in (
            ("of-pairs", "for before, behind in zip(widths, widths[1:]):", "nn.Linear(before, behind)"),
            ("by-number", "for i in range(len(widths) - 1):", "nn.Linear(widths[i], widths[i + 1])"),
        )
    ),
)
