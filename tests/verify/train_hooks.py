"""A training script in hooks mode, then (with the argument "two") a second private run.

With "tripled" its own layer tells Opacus three times its per-sample gradients, which clipping hides as
long as every example is clipped.
"""

import sys

import torch
from opacus import PrivacyEngine
from opacus.grad_sample import register_grad_sampler
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Scorer(nn.Linear):
    """A project's own layer, for which it gives the per-sample gradients itself."""


@register_grad_sampler(Scorer)
def scorer_gradients(layer, activations, backprops):
    factor = 3 if "tripled" in sys.argv else 1
    return {
        layer.weight: factor * torch.einsum("no,ni->noi", backprops, activations[0]),
        layer.bias: factor * backprops,
    }


def train() -> None:
    generator = torch.Generator().manual_seed(1)
    x = 3 * torch.randn(64, 6, generator=generator)
    y = torch.randint(0, 3, (64,), generator=generator)
    model = Scorer(6, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    criterion = nn.CrossEntropyLoss()
    model, optimizer, loader = PrivacyEngine(accountant="rdp").make_private(
        module=model,
        optimizer=optimizer,
        data_loader=DataLoader(TensorDataset(x, y), batch_size=16),
        noise_multiplier=1.0,
        max_grad_norm=0.1,
    )
    for _ in range(2):
        for data, target in loader:
            optimizer.zero_grad()
            criterion(model(data), target).backward()
            optimizer.step()


if __name__ == "__main__":
    train()
    if "two" in sys.argv:
        train()
