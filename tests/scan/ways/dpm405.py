"""DPM405, clipping-ghost: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, Pair

PAIRS = (
    Pair(
        "DPM405",
        "fields-of-a-data-class-but-for-one",
        HEAD
        + """
from dataclasses import dataclass, field, fields


@dataclass
class Privacy:
    noise_multiplier: float = 1.0
    max_grad_norm: float = 1.0
    grad_sample_mode: str = "ghost"
    clipping: str = "FACT"
    more: dict = field(default_factory=dict)

    def options(self):
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "more"}


net = nn.Linear(16, 4)
PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    criterion=nn.CrossEntropyLoss(),
    **Privacy().options(),
)
""",
        "ghost",
        "flat",
    ),
)
