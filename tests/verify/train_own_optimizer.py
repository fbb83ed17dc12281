"""Trains with a DP optimizer of its own; the argument says by which rule it clips."""

import sys

import torch
from opacus import PrivacyEngine
from opacus.optimizers import DPOptimizer
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

rule = sys.argv[1]


class OwnOptimizer(DPOptimizer):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.bound = 0.1 if rule == "fixed" else kwargs["max_grad_norm"]

    def clip_and_accumulate(self):
        norms = torch.stack([g.flatten(1).norm(dim=1) for g in self.grad_samples]).norm(dim=0)
        factor = (self.bound / (norms + 1e-6)).clamp(max=1)
        if rule == "automatic":
            factor = self.bound / (norms + 0.01)
        if rule == "unbounded":
            factor = 2 * self.bound / norms
        for p in self.params:
            total = torch.einsum("i,i...->...", factor, self._get_flat_grad_sample(p))
            p.summed_grad = total if p.summed_grad is None else p.summed_grad + total
            p.grad_sample._processed = True


class OwnEngine(PrivacyEngine):
    def _prepare_optimizer(self, *, optimizer, noise_multiplier, max_grad_norm, expected_batch_size, **rest):
        return OwnOptimizer(
            optimizer=optimizer,
            noise_multiplier=noise_multiplier,
            max_grad_norm=max_grad_norm,
            expected_batch_size=expected_batch_size,
        )


torch.manual_seed(0)
model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
data = TensorDataset(torch.randn(200, 6) * 5, torch.randint(0, 3, (200,)))
model, optimizer, loader = OwnEngine(accountant="rdp").make_private(
    module=model,
    optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
    data_loader=DataLoader(data, batch_size=20),
    noise_multiplier=1.0,
    max_grad_norm=0.1,
)
criterion = nn.CrossEntropyLoss()
for x, y in loader:
    optimizer.zero_grad()
    criterion(model(x), y).backward()
    optimizer.step()
