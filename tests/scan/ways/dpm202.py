"""DPM202, unseeded-loader-generator: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, LEAVES, STEP, Pair

GENERATORS = LEAVES.replace("IN_TURN", "pass").replace("GENERATOR", "FACT")

PAIRS = (
    Pair(
        "DPM202",
        "generator-by-what-a-handler-did-not-return",
        HEAD
        + """
def device():
    try:
        return torch.device("cuda")
    except RuntimeError:
        return torch.device("cpu")


chosen = device()
if chosen.type == "cuda":
    order = torch.Generator(device="cpu")
else:
    order = torch.Generator()
FACT
net = nn.Linear(16, 4)
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32, generator=order),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
"""
        + STEP,
        "pass",
        "order.seed()",
    ),
    Pair(
        "DPM202", "generator-and-exit", GENERATORS + "    main()\n    exit()\n", "torch.Generator()", "None"
    ),
)
