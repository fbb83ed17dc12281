"""DPM406, unknown-argument: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, PRIVATE, STEP, Pair

PAIRS = (
    Pair(
        "DPM406",
        "entry-taken-out-of-the-options",
        HEAD
        + """
options = {"noise_multiplier": 1.0, "max_grad_norm": 1.0, "secure_mode": False}
engine = PrivacyEngine(secure_mode=options.FACT("secure_mode"))
net = nn.Linear(16, 8)
net, optimizer, loader = engine.make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    **options,
)"""
        + STEP,
        "get",
        "pop",
    ),
    *(
        Pair(
            "DPM406",
            f"words-in-another-order-{wrong}",
            PRIVATE.replace("max_grad_norm=1.0,", "max_grad_norm=1.0,\n    FACT=True,") + STEP,
            wrong,
            "poisson_sampling",
        )
        for wrong in ("sampling_poisson", "poissonSampling")
    ),
    Pair(
        "DPM406",
        "keyword-of-another-library",
        PRIVATE.replace("max_grad_norm=1.0,", "max_grad_norm=1.0,\n    FACT=True,") + STEP,
        "l2_norm_clip",
        "of_a_fork",
    ),
)
