"""Two gloo processes train one logical step in two physical batches each, ghost mode, repaired or not.

Prints the relative error of the applied gradient against the oracle over all examples of both ranks.
"""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import multiprocessing, nn

WORLD = 2
SIZE = 8
BOUND = 0.7


def worker(rank: int, store: str, repair: bool, answers: Any) -> None:
    warnings.simplefilter("ignore")
    from opacus import PrivacyEngine
    from opacus.distributed import DifferentiallyPrivateDistributedDataParallel
    from torch import distributed
    from torch.utils.data import DataLoader, TensorDataset

    from dpmigrate.runtime import patch_opacus
    from dpmigrate.runtime.features import wraps_criterion
    from dpmigrate.runtime.session import ghost_backward
    from tests.runtime import models as m
    from tests.runtime.plain_oracle import clipped_sum

    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=WORLD)
    try:
        if repair:
            patch_opacus()
        x, y = m.batch_for(m.Mlp, size=WORLD * SIZE)
        model = DifferentiallyPrivateDistributedDataParallel(m.build(m.Mlp))
        options: dict[str, Any] = (
            {"criterion": nn.CrossEntropyLoss()} if wraps_criterion() else {"clipping": "ghost"}
        )
        wrapped, optimizer = PrivacyEngine(accountant="rdp").make_private(
            module=model,
            optimizer=torch.optim.SGD(model.parameters(), lr=1.0),
            data_loader=DataLoader(TensorDataset(x, y), batch_size=WORLD * SIZE),
            noise_multiplier=0.0,
            max_grad_norm=BOUND,
            poisson_sampling=False,
            grad_sample_mode="ghost",
            **options,
        )[:2]
        wrapped.max_grad_norm = BOUND
        before = torch.cat([p.detach().reshape(-1).clone() for p in optimizer.params])
        own = slice(rank * SIZE, (rank + 1) * SIZE)
        for i, part in enumerate(torch.arange(WORLD * SIZE)[own].chunk(2)):
            optimizer.signal_skip_step(do_skip=i == 0)
            optimizer.zero_grad()
            losses = nn.functional.cross_entropy(wrapped(x[part]), y[part], reduction="none")
            ghost_backward(wrapped, optimizer, losses, "mean")
            optimizer.step()
        after = torch.cat([p.detach().reshape(-1) for p in optimizer.params])
        truth = clipped_sum(m.build(m.Mlp), nn.CrossEntropyLoss(), (x, y), max_grad_norm=BOUND).flat()
        change = (before - after).double() * WORLD * SIZE
        if rank == 0:
            answers.put((type(optimizer).__name__, float((change - truth).norm() / truth.norm())))
    finally:
        distributed.destroy_process_group()


if __name__ == "__main__":
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    with tempfile.TemporaryDirectory() as folder:
        store = str(Path(folder) / "store")
        ranks = [
            context.Process(target=worker, args=(rank, store, "repair" in sys.argv, queue))
            for rank in range(WORLD)
        ]
        for process in ranks:
            process.start()
        name, error = queue.get(timeout=600)
        for process in ranks:
            process.join(100)
    print(name, error)
