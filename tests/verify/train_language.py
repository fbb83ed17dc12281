"""A language model on padded sequences with ghost clipping (Opacus 1.5.3 on); the loss is flattened."""

import torch
from opacus import PrivacyEngine
from opacus.utils.batch_memory_manager import BatchMemoryManager
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

TOKENS, LENGTH, WIDTH = 12, 7, 10
PAD = -100


def sentences(count: int) -> TensorDataset:
    generator = torch.Generator().manual_seed(3)
    start = torch.randint(0, TOKENS, (count, 1), generator=generator)
    stride = torch.randint(1, 3, (count, 1), generator=generator)
    tokens = (start + stride * torch.arange(LENGTH + 1)) % TOKENS
    target = tokens[:, 1:].clone()
    length = torch.randint(2, LENGTH + 1, (count, 1), generator=generator)
    target[torch.arange(LENGTH) >= length] = PAD
    return TensorDataset(tokens[:, :-1], target)


class LanguageModel(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(TOKENS, WIDTH)
        self.hidden = nn.Linear(WIDTH, WIDTH)
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, TOKENS)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        hidden = self.norm(torch.tanh(self.hidden(self.embed(tokens))))
        return self.head(hidden)


def main() -> None:
    torch.manual_seed(5)
    data = DataLoader(sentences(240), batch_size=40)
    model = LanguageModel()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    criterion = nn.CrossEntropyLoss(ignore_index=PAD)
    engine = PrivacyEngine(accountant="rdp")
    model, optimizer, criterion, data = engine.make_private(
        module=model,
        optimizer=optimizer,
        criterion=criterion,
        data_loader=data,
        noise_multiplier=0.5,
        max_grad_norm=1.0,
        grad_sample_mode="ghost",
    )
    model.train()
    for _ in range(3):
        with BatchMemoryManager(data_loader=data, max_physical_batch_size=16, optimizer=optimizer) as batches:
            for tokens, target in batches:
                optimizer.zero_grad()
                logits = model(tokens)
                loss = criterion(logits.view(-1, TOKENS), target.view(-1), shape=logits.shape)
                loss.backward()
                optimizer.step()
    print(f"epsilon {engine.get_epsilon(1e-3):.2f}")


if __name__ == "__main__":
    main()
