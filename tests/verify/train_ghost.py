"""A training script for the API with a wrapped criterion (Opacus 1.5.3 on); its argument plants a fault."""

import sys

import torch
from opacus import PrivacyEngine
from opacus.utils.batch_memory_manager import BatchMemoryManager
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

fault = sys.argv[1] if len(sys.argv) > 1 else "right"


def batches(generator: torch.Generator) -> DataLoader:
    x = 3 * torch.randn(96, 12, generator=generator)
    y = torch.randint(0, 4, (96,), generator=generator)
    if fault == "column-loss":
        y = y.float().unsqueeze(1)
    workers = 2 if fault == "workers" else 0
    return DataLoader(TensorDataset(x, y), batch_size=24, num_workers=workers)


def chosen_criterion():
    if fault == "column-loss":
        return nn.MSELoss()
    if fault == "functional":
        return functional.cross_entropy
    if fault == "weights":
        return nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0, 4.0]))
    return nn.CrossEntropyLoss()


def main() -> None:
    loader = batches(torch.Generator().manual_seed(1))
    model = nn.Sequential(
        nn.Linear(12, 16), nn.Tanh(), nn.Dropout(0.2), nn.Linear(16, 1 if fault == "column-loss" else 4)
    )
    model = model.double() if fault == "double" else model
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    generator = torch.Generator() if fault == "bare-generator" else None
    if fault == "entropy":
        generator = torch.Generator()
        generator.seed()
    if fault == "seeded":
        torch.manual_seed(0)
    model, optimizer, criterion, loader = PrivacyEngine(accountant="rdp").make_private(
        module=model,
        optimizer=optimizer,
        criterion=chosen_criterion(),
        data_loader=loader,
        noise_multiplier=1.0,
        max_grad_norm=1.5,
        grad_sample_mode="ghost",
        noise_generator=generator,
    )
    stepped = optimizer.original_optimizer if fault == "raw-optimizer" else optimizer
    with BatchMemoryManager(data_loader=loader, max_physical_batch_size=10, optimizer=optimizer) as physical:
        for x, y in physical:
            optimizer.zero_grad()
            output = model(x.double() if fault == "double" else x)
            loss = functional.cross_entropy(output, y) if fault == "unwrapped" else criterion(output, y)
            if fault == "penalty":
                loss = loss + 0.05 * sum(p.pow(2).sum() for p in model.parameters())
            loss.backward()
            if fault == "clip-again":
                nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            stepped.step()
    print("trained to the end")


if __name__ == "__main__":
    try:
        main()
    except BaseException:
        if fault != "swallows":
            raise
        main()
