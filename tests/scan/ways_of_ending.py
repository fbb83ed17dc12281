"""Small programs in pairs that differ in one fact, which leave at their end: nothing goes on behind."""

from __future__ import annotations

from tests.scan.ways_of_writing import HEAD, Pair

LEAVES = (
    HEAD
    + """
import sys


def main():
    net = nn.Linear(16, 4)
    engine = PrivacyEngine()
    for number in range(5):
        IN_TURN
        model, optimizer, loader = engine.make_private(
            module=net,
            optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
            data_loader=DataLoader(data(), batch_size=32, generator=GENERATOR),
            noise_multiplier=1.0,
            max_grad_norm=1.0,
        )
        for x, y in loader:
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
        print(engine.get_epsilon(1e-5))
        net = model.to_standard_module()
    return 0


if __name__ == "__main__":
"""
)
ENGINES = LEAVES.replace("IN_TURN", "FACT").replace("GENERATOR", "None")
GENERATORS = LEAVES.replace("IN_TURN", "pass").replace("GENERATOR", "FACT")

ENDED = (
    Pair("DPM304", "engine-and-exit", ENGINES + "    sys.exit(main())\n", "engine = PrivacyEngine()", "pass"),
    Pair(
        "DPM304",
        "engine-and-system-exit",
        ENGINES + "    raise SystemExit(main())\n",
        "engine = PrivacyEngine()",
        "pass",
    ),
    Pair(
        "DPM202", "generator-and-exit", GENERATORS + "    main()\n    exit()\n", "torch.Generator()", "None"
    ),
)
