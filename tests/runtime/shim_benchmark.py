"""What the shim of ``dpmigrate verify`` adds to a training step when it only watches.

python -m tests.runtime.shim_benchmark    (the Opacus that is installed; one process for each repeat)

Processor time, not wall time, the least of many steps, and pairs of runs one right after the other: what a
busy machine adds is left out as far as can be.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from statistics import median

STEPS = 24
REPEATS = 9


def step_seconds(mode: str, watched: bool) -> float:
    """Least processor time of one logical step of a million-parameter network, batch of 64, one thread."""
    import torch
    from opacus import PrivacyEngine
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    from tests.runtime.benchmark import BATCH, network

    if watched:
        from dpmigrate.runtime.run.shim import Shim
        from dpmigrate.runtime.run.state import Settings, Watch

        settings = Settings(steps=10 * STEPS, quiet=False, keep_vectors=False)
        Shim(Watch(settings, lambda record: None)).install()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    data = TensorDataset(torch.randn(BATCH * STEPS, 3, 32, 32), torch.randint(0, 10, (BATCH * STEPS,)))
    given = {"criterion": nn.CrossEntropyLoss()} if mode == "ghost" else {}
    model, optimizer, *rest = PrivacyEngine().make_private(
        module=model,
        optimizer=optimizer,
        data_loader=DataLoader(data, batch_size=BATCH),
        noise_multiplier=1.0,
        max_grad_norm=1.0,
        poisson_sampling=False,
        grad_sample_mode=mode,
        **given,
    )
    criterion = rest[0] if mode == "ghost" else nn.CrossEntropyLoss()
    times = []
    for x, y in rest[-1]:
        began = time.process_time()
        optimizer.zero_grad()
        criterion(model(x), y).backward()
        optimizer.step()
        times.append(time.process_time() - began)
    return min(times[2:])


def main() -> None:
    """Print the seconds of a step with and without the shim, by mode, and what the shim adds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mode", choices=["hooks", "ghost"], help="measure one mode in this process")
    parser.add_argument("--watched", action="store_true", help="with the shim in place")
    options = parser.parse_args()
    if options.mode is not None:
        print(step_seconds(options.mode, options.watched))
        return
    for mode in ("hooks", "ghost"):
        plain, watched = [], []
        for _ in range(REPEATS):
            for times, more in ((plain, []), (watched, ["--watched"])):
                command = [sys.executable, "-m", "tests.runtime.shim_benchmark", "--mode", mode, *more]
                times.append(
                    float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
                )
        added = sorted(100 * (w / p - 1) for p, w in zip(plain, watched, strict=True))
        print(
            f"{mode}: {min(plain):.4f} s, watched {min(watched):.4f} s; "
            f"{median(added):+.1f} % (pairs from {added[0]:+.1f} to {added[-1]:+.1f} %)"
        )


if __name__ == "__main__":
    main()
