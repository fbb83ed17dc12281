"""DPM316, examples-counted-twice: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, STEP, Pair

PAIRS = (
    Pair(
        "DPM316",
        "rank-of-a-matrix-deals-nothing-out",
        HEAD
        + """
import torch.distributed as dist
from opacus.distributed import DifferentiallyPrivateDistributedDataParallel

dist.init_process_group("gloo")
low_rank = 4
mine = dist.get_rank()
records = torch.randn(512, 16)
records = records[FACT]
net = DifferentiallyPrivateDistributedDataParallel(nn.Linear(16, 4))
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(TensorDataset(records, torch.zeros(512).long()), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
    poisson_sampling=False,
)
"""
        + STEP,
        "low_rank:",
        "mine::2",
    ),
)
