"""Meets empty batches under the memory manager; the first argument says what it does with them."""

import sys

import torch
from opacus import PrivacyEngine
from opacus.utils.batch_memory_manager import BatchMemoryManager
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

what, workers = sys.argv[1], 2 if "workers" in sys.argv else 0
ghost = "ghost" in sys.argv
torch.manual_seed(0)
model = nn.Linear(6, 3)
data = TensorDataset(torch.randn(40, 6), torch.randint(0, 3, (40,)))
criterion = nn.CrossEntropyLoss()
made = PrivacyEngine(accountant="rdp").make_private(
    module=model,
    optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
    data_loader=DataLoader(data, batch_size=2, num_workers=workers),
    noise_multiplier=1.0,
    max_grad_norm=0.5,
    **({"criterion": criterion, "grad_sample_mode": "ghost"} if ghost else {}),
)
model, optimizer, loader = made[0], made[1], made[-1]
if ghost:
    criterion = made[2]


def ahead(batches):
    """Fetch one batch before it is needed, as prefetching loaders do."""
    waiting = None
    for batch in batches:
        if waiting is not None:
            yield waiting
        waiting = batch
    yield waiting


for _epoch in range(3):
    with BatchMemoryManager(data_loader=loader, max_physical_batch_size=2, optimizer=optimizer) as physical:
        for number, (x, y) in enumerate(ahead(physical) if what.startswith("ahead") else physical):
            optimizer.zero_grad()
            if what.endswith("some") and number % 9 == 4:
                print("skipped")
                continue
            if what == "break" and number == 6:
                print("skipped")
                break
            if len(x) == 0 and what == "skip":
                print("skipped")
                continue
            if len(x) == 0 and what == "replace":
                x, y = torch.zeros(1, 6), torch.zeros(1, dtype=torch.long)
                print("replaced")
                (0 * criterion(model(x), y)).backward()
            else:
                criterion(model(x), y).backward()
            optimizer.step()
            if what == ("cut" if optimizer._is_last_step_skipped else "enough") and number >= 4:
                print("skipped")
                break
