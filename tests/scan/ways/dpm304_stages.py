"""DPM304, engine-remade-in-loop: stages of one training, each with an engine of its own."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, Pair

STAGE = (
    HEAD
    + """
from torch.utils.data import Subset

records = data()


def stage(net, part, engine):
    net, optimizer, loader = engine.make_private(
        module=net,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
        data_loader=DataLoader(part, batch_size=32),
        noise_multiplier=1.0,
        max_grad_norm=1.0,
    )
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    print(engine.get_epsilon(1e-5))
    return net.to_standard_module()


net = nn.Linear(16, 4)
"""
)

PAIRS = (
    Pair(
        "DPM304",
        "stages-on-a-part-and-on-all",
        STAGE
        + """
for name, part in {"easy": Subset(records, range(256)), "all": records}.items():
    engine = FACT
    net = stage(net, part, engine)
""".replace("for name", "kept = PrivacyEngine()\nfor name"),
        "PrivacyEngine()",
        "kept",
    ),
    Pair(
        "DPM304",
        "stages-on-parts-that-share-nothing-or-not",
        STAGE
        + """
net = stage(net, Subset(records, range(256)), PrivacyEngine())
net = stage(net, FACT, PrivacyEngine())
""",
        "records",
        "Subset(records, range(256, 512))",
    ),
    Pair(
        "DPM304",
        "weights-that-go-from-model-to-model",
        STAGE
        + """
weights = None


def more():
    global weights
    net = nn.Linear(16, 4)
    if weights is not None:
        net.load_state_dict(weights)
    weights = stage(net, records, PrivacyEngine()).state_dict()FACT


more()
more()
""",
        "",
        "\n    weights = None",
    ),
)
