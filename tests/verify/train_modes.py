"""A training script under one of Opacus's rarer ways to per-sample gradients.

The first argument is a grad_sample_mode, or "per_layer" for hooks with clipping per parameter; the
second plants a fault or a right variant.
"""

import sys

import torch
from opacus import PrivacyEngine
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, TensorDataset

mode = sys.argv[1]
variant = sys.argv[2] if len(sys.argv) > 2 else "right"
bounds = [0.5, 2.0, 0.3, 1.0] if mode == "per_layer" else 1.5
generator = torch.Generator().manual_seed(1)
data = TensorDataset(
    3 * torch.randn(96, 12, generator=generator), torch.randint(0, 4, (96,), generator=generator)
)


class Checkpointed(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return checkpoint(self.inner, x.requires_grad_(), use_reentrant=True)


model = nn.Sequential(
    nn.Linear(12, 16), nn.Tanh(), nn.Dropout(0.2 if variant == "dropout" else 0.0), nn.Linear(16, 4)
)
if variant == "checkpointed":
    model = Checkpointed(model)
inner = (
    torch.optim.LBFGS(model.parameters()) if variant == "lbfgs" else torch.optim.SGD(model.parameters(), 0.1)
)
criterion = nn.CrossEntropyLoss()
made = PrivacyEngine(accountant="rdp").make_private(
    module=model,
    optimizer=inner,
    data_loader=DataLoader(data, batch_size=24),
    noise_multiplier=1.0,
    max_grad_norm=bounds,
    grad_sample_mode="hooks" if mode == "per_layer" else mode,
    **({"clipping": "per_layer"} if mode == "per_layer" else {}),
    **({"criterion": criterion} if mode == "ghost" else {}),
)
private, optimizer, loader = made[0], made[1], made[-1]
if mode == "ghost":
    criterion = made[2]
module = private._module
scaler = torch.amp.GradScaler("cpu", enabled=variant == "scaler", init_scale=4.0)


def one(params, x, y):
    return criterion(functional_call(module, params, (x[None],)), y[None])


def backward(x, y):
    optimizer.zero_grad()
    if mode == "no_op":
        params = {n: p.detach() for n, p in module.named_parameters()}
        found = vmap(grad(one), in_dims=(None, 0, 0))(params, x, y)
        for name, p in module.named_parameters():
            p.grad_sample = found[name]
        return None
    loss = criterion(private(x), y)
    (scaler.scale(loss) if variant == "scaler" else loss).backward()
    return loss


for x, y in loader:
    if variant == "closure":
        optimizer.step(lambda x=x, y=y: backward(x, y))
        continue
    backward(x, y)
    if variant == "scaled":
        for p in module.parameters():
            p.grad_sample = 3 * p.grad_sample
    if variant == "unclipped":
        optimizer.max_grad_norms = [100.0] * 4
    if variant == "scaler":
        scaler.step(optimizer)
        scaler.update()
    else:
        optimizer.step()
