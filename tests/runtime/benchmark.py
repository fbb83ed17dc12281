"""What a parity check costs, in units of the work that it cannot avoid: medians of several repeats.

python -m tests.runtime.benchmark
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import torch
from torch import nn

from dpmigrate.runtime import check_clipping
from dpmigrate.runtime.session import Recipe, Session
from tests.runtime.plain_oracle import clipped_sum

BATCH = 64
REPEATS = 3


def network() -> nn.Module:
    """A convolutional network of a million parameters for images of 3x32x32."""
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1),
        nn.GroupNorm(8, 32),
        nn.ReLU(),
        nn.MaxPool2d(4),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(64 * 64, 240),
        nn.ReLU(),
        nn.Linear(240, 10),
    )


def seconds(work: Callable[[], object]) -> float:
    """Median wall time of ``work``, which is run once before."""
    work()
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return median(times)


def main() -> None:
    """Print the seconds of a hooks step, a ghost step, the oracle and the parity check, and the ratio."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model, criterion = network(), nn.CrossEntropyLoss()
    batch = (torch.randn(BATCH, 3, 32, 32), torch.randint(0, 10, (BATCH,)))
    parts = {}
    for mode in ("hooks", "ghost"):
        session = Session(Recipe(mode, criterion), model, expected_batch_size=BATCH, max_grad_norm=1.0)
        parts[f"{mode} step"] = seconds(lambda session=session: session.run(batch))  # type: ignore[misc]
    parts["oracle"] = seconds(lambda: clipped_sum(model, criterion, batch, max_grad_norm=1.0))
    names = ["parity-clipped-sum", "parity-norms", "parity-step"]
    parts["parity"] = seconds(
        lambda: check_clipping(model, criterion, batch, physical_batches=(1,), checks=names)
    )
    least = parts["hooks step"] + parts["ghost step"] + parts["oracle"]
    print(f"{sum(p.numel() for p in model.parameters())} parameters, batch of {BATCH}, one thread")
    for name, value in parts.items():
        print(f"  {name:11} {value:7.3f} s")
    print(f"  parity takes {parts['parity'] / least:.2f} times hooks step + ghost step + oracle")


if __name__ == "__main__":
    main()
