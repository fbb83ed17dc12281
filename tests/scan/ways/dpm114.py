"""DPM114, adaptive-memory-manager: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, Pair

PAIRS = (
    Pair(
        "DPM114",
        "adaptive-hooks",
        HEAD
        + """
from contextlib import nullcontext

options = dict(target_unclipped_quantile=0.5, clipbound_learning_rate=0.2)
net = nn.Linear(16, 4)
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
    clipping="adaptive",
    unclipped_num_std=6.4,
    max_clipbound=10.0,
    min_clipbound=0.1,
    **options,
)
with FACT as batches:
    for x, y in batches:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
""",
        "BatchMemoryManager(data_loader=loader, max_physical_batch_size=8, optimizer=optimizer)",
        "nullcontext(loader)",
    ),
)
