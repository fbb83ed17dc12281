"""DPM303, sampler-replaced: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, STEP, Pair

LOADER = (
    HEAD
    + """
from torch.utils.data import Sampler, Subset, SubsetRandomSampler


class Mine(Sampler):
    def __init__(self, rows):
        self.rows = rows

    def __iter__(self):
        return iter(self.rows)

    def __len__(self):
        return len(self.rows)


records = data()
FACT
net = nn.Linear(16, 4)
engine = PrivacyEngine()
net, optimizer, loader = engine.make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=loader,
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
"""
    + STEP
)

PAIRS = (
    Pair(
        "DPM303",
        "sampler-of-its-own",
        LOADER,
        "loader = DataLoader(records, batch_size=32, sampler=Mine([1, 2, 3]))",
        "loader = DataLoader(Subset(records, [1, 2, 3]), batch_size=32)",
    ),
    Pair(
        "DPM303",
        "that-balances",
        "from torchsampler import ImbalancedDatasetSampler\n" + LOADER,
        "loader = DataLoader(records, batch_size=32, sampler=ImbalancedDatasetSampler(records))",
        "loader = DataLoader(records, batch_size=32)",
    ),
    Pair(
        "DPM303",
        "by-phase",
        LOADER.replace(
            "FACT",
            "samplers = {'train': SubsetRandomSampler([1, 2]), 'test': SubsetRandomSampler([3])}\n"
            "loaders = {name: DataLoader(records, 2, sampler=one) for name, one in samplers.items()}\n"
            "FACT",
        ),
        'loader = loaders["train"]',
        "loader = DataLoader(records, batch_size=2)",
    ),
    Pair(
        "DPM303",
        "sampler-in-a-batch-sampler",
        HEAD
        + """
from torch.utils.data import BatchSampler, RandomSampler, SubsetRandomSampler

records = data()
batches = BatchSampler(FACT, batch_size=32, drop_last=False)
net = nn.Linear(16, 4)
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(records, batch_sampler=batches),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)"""
        + STEP,
        "SubsetRandomSampler(range(100))",
        "RandomSampler(records)",
    ),
)
