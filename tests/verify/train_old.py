"""A ghost script for Opacus before 1.5.3, two backward passes by hand; its argument plants a fault."""

import sys

import torch
from opacus import PrivacyEngine
from opacus.utils.batch_memory_manager import BatchMemoryManager
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

fault = sys.argv[1] if len(sys.argv) > 1 else "right"
generator = torch.Generator().manual_seed(1)
x = 3 * torch.randn(96, 12, generator=generator)
y = torch.randint(0, 4, (96,), generator=generator)

model = nn.Sequential(nn.Linear(12, 16), nn.Tanh(), nn.Linear(16, 4))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
criterion = nn.CrossEntropyLoss(reduction="none")
model, optimizer, loader = PrivacyEngine(accountant="rdp").make_private(
    module=model,
    optimizer=optimizer,
    data_loader=DataLoader(TensorDataset(x, y), batch_size=24),
    noise_multiplier=1.0,
    max_grad_norm=0.6 if fault in ("norm", "both") else 1.0,
    grad_sample_mode="ghost",
    clipping="ghost",
)
with BatchMemoryManager(data_loader=loader, max_physical_batch_size=10, optimizer=optimizer) as physical:
    for data, target in physical:
        optimizer.zero_grad(set_to_none=fault not in ("in-place", "both"))
        losses = criterion(model(data), target)
        losses.mean().backward(retain_graph=True)
        optimizer.zero_grad()
        coefficients = model.get_coeff()
        model.disable_hooks()
        (coefficients * losses).sum().backward()
        model.enable_hooks()
        optimizer.step()
