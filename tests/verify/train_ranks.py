"""Ghost clipping on several processes, for torchrun; with the argument "alike" every rank seeds alike."""

import sys

import torch
import torch.distributed
from opacus import PrivacyEngine
from opacus.distributed import DifferentiallyPrivateDistributedDataParallel
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.distributed.init_process_group("gloo")
if "alike" in sys.argv:
    torch.manual_seed(0)
generator = torch.Generator().manual_seed(1)
x = 3 * torch.randn(96, 6, generator=generator)
y = torch.randint(0, 3, (96,), generator=generator)
model = DifferentiallyPrivateDistributedDataParallel(
    nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
model, optimizer, criterion, loader = PrivacyEngine(accountant="rdp").make_private(
    module=model,
    optimizer=optimizer,
    criterion=nn.CrossEntropyLoss(),
    data_loader=DataLoader(TensorDataset(x, y), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
    grad_sample_mode="ghost",
)
for data, target in loader:
    optimizer.zero_grad()
    criterion(model(data), target).backward()
    optimizer.step()
