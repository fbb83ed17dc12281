"""Ghost clipping over parameters that FSDP2 shards; run by torchrun on CPUs."""

import torch
from opacus import PrivacyEngine
from opacus.utils.fsdp_utils import FSDP2Wrapper
from torch import distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.utils.data import DataLoader, TensorDataset

distributed.init_process_group("gloo")
x = torch.randn(32, 8)
model = FSDP2Wrapper(
    nn.Sequential(nn.Linear(8, 12), nn.Linear(12, 3)),
    mesh=init_device_mesh("cpu", (distributed.get_world_size(),)),
)
model, optimizer, criterion, loader = PrivacyEngine().make_private(
    module=model,
    optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
    data_loader=DataLoader(TensorDataset(x, torch.zeros(32, dtype=torch.long)), batch_size=8),
    criterion=nn.CrossEntropyLoss(),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
    grad_sample_mode="ghost_fsdp",
)
for data, target in loader:
    optimizer.zero_grad()
    criterion(model(data), target).backward()
    optimizer.step()
distributed.destroy_process_group()
