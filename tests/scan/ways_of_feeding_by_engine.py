"""Loaders of engines that a file names, and of two engines on one model."""

from __future__ import annotations

from tests.scan.ways_of_feeding import EITHER, HEAD, NEVER, Feeding, step

BY_ENGINE = (
    Feeding(
        "one-model-for-two-engines",
        HEAD
        + f"""
other = optim.SGD(net.parameters(), lr=0.1)
net, opt, private = engine.make_private(
    module=net, optimizer=opt, data_loader=raw, noise_multiplier=1.0, max_grad_norm=1.0
)
net, other, second = PrivacyEngine().make_private(
    module=net, optimizer=other, data_loader=raw, noise_multiplier=1.0, max_grad_norm=1.0
)
for x, y in BATCHES:
    {step()}""",
        EITHER,
    ),
    *(
        Feeding(
            f"an-engine-{name}",
            HEAD
            + f"""
import hydra


@hydra.main(config_path="conf", config_name="config")
def main(cfg):
    global net, opt
    engine = {made}
    net, opt, private = engine.make_private(
        module=net, optimizer=opt, data_loader=raw, noise_multiplier=1.0, max_grad_norm=1.0
    )
    for x, y in BATCHES:
        opt.zero_grad()
        criterion(net(x), y).backward()
        opt.step()


main()
""",
            told,
        )
        for name, made, told in (
            ("that-a-file-names", "hydra.utils.instantiate(cfg.engine)", EITHER),
            ("of-another-library", "outside(cfg.engine)", NEVER),
        )
    ),
)
