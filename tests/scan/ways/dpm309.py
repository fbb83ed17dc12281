"""DPM309, privacy-retried: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, Pair

TRIED = (
    HEAD
    + """
def make(net, optimizer, loader):
    engine = PrivacyEngine()
    for target in (1.0, 2.0, 4.0):
        FACT
        try:
            return engine.make_private_with_epsilon(
                module=net,
                optimizer=optimizer,
                data_loader=loader,
                target_epsilon=target,
                target_delta=1e-5,
                epochs=5,
                max_grad_norm=1.0,
            )
        except Exception as error:
            print(error)
    raise SystemExit(1)
"""
)

PAIRS = (
    Pair(
        "DPM309",
        "calls-itself",
        HEAD
        + """
def make(net, optimizer, loader, target):
    engine = PrivacyEngine()
    try:
        return engine.make_private_with_epsilon(
            module=net,
            optimizer=optimizer,
            data_loader=loader,
            target_epsilon=target,
            target_delta=1e-5,
            epochs=5,
            max_grad_norm=1.0,
        )
    except Exception as error:
        FACT
""",
        "return make(net, optimizer, loader, target * 2)",
        "raise SystemExit(str(error))",
    ),
    Pair("DPM309", "model-from-outside", TRIED, "pass", "net, optimizer = fresh()"),
)
