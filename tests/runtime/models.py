"""Small models of every kind that ghost clipping must get right, with a batch for each."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

TOKENS = 20
CLASSES = 4


class Mlp(nn.Module):
    def __init__(self, outputs: int = CLASSES) -> None:
        super().__init__()
        self.l1 = nn.Linear(12, 16)
        self.l2 = nn.Linear(16, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.l2(torch.tanh(self.l1(x)))


class FrozenMlp(Mlp):
    def __init__(self) -> None:
        super().__init__()
        self.l1.requires_grad_(False)


class LayerNormMlp(Mlp):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(16)

    def forward(self, x: Tensor) -> Tensor:
        return self.l2(torch.tanh(self.norm(self.l1(x))))


class DropoutMlp(Mlp):
    """Dropout as a function of the training flag, which no walk over modules can switch off."""

    def forward(self, x: Tensor) -> Tensor:
        return self.l2(nn.functional.dropout(torch.tanh(self.l1(x)), 0.3, training=self.training))


class Cnn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 6, 3, padding=1)
        self.norm = nn.GroupNorm(2, 6)
        self.out = nn.Linear(6 * 16, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(nn.functional.avg_pool2d(torch.tanh(self.norm(self.conv(x))), 2).flatten(1))


class Embedded(nn.Module):
    """Embedding, then 2-d Linear layers only."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(TOKENS, 8)
        self.out = nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.embed(x).mean(1))


class Text(nn.Module):
    """Embedding, then a Linear on 3-d activations, with a bias or without."""

    def __init__(self, bias: bool = True) -> None:
        super().__init__()
        self.embed = nn.Embedding(TOKENS, 8)
        self.hidden = nn.Linear(8, 16, bias=bias)
        self.out = nn.Linear(16, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.hidden(self.embed(x))).mean(1))


class TextWithoutBias(Text):
    def __init__(self) -> None:
        super().__init__(bias=False)


class BiasOnlyText(Text):
    def __init__(self) -> None:
        super().__init__()
        for name, p in self.named_parameters():
            p.requires_grad_(name.endswith("bias"))


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        from opacus.layers import DPMultiheadAttention

        self.attention = DPMultiheadAttention(8, 2, batch_first=True)
        self.out = nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.attention(x, x, x, need_weights=False)[0].mean(1))


class Lstm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        from opacus.layers import DPLSTM

        self.recurrent = DPLSTM(6, 8, batch_first=True)
        self.out = nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.recurrent(x)[0][:, -1])


class Scale(nn.Module):
    """A layer that no release has a sampler for: a bare parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(16) + 0.5)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight


class ScaledMlp(Mlp):
    def __init__(self) -> None:
        super().__init__()
        self.scale = Scale()

    def forward(self, x: Tensor) -> Tensor:
        return self.l2(torch.tanh(self.scale(self.l1(x))))


class TiedMlp(nn.Module):
    """Two Linear layers share one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.l1 = nn.Linear(12, 12)
        self.l2 = nn.Linear(12, 12, bias=False)
        self.l2.weight = self.l1.weight
        self.out = nn.Linear(12, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.l2(torch.tanh(self.l1(x)))))


class TwiceMlp(nn.Module):
    """One Linear layer is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.l1 = nn.Linear(12, 12)
        self.out = nn.Linear(12, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.l1(torch.tanh(self.l1(x)))))


class FunctionallyTied(nn.Module):
    """The embedding's weight is used again outside its module, where no hook sees it."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(TOKENS, 8)
        self.norm = nn.LayerNorm(8)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(4 * self.norm(self.embed(x).mean(1)), self.embed.weight)


class LanguageModel(nn.Module):
    """Logits for every position: ``[B, T]`` tokens to ``[B, T, TOKENS]``."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(TOKENS, 8)
        self.out = nn.Linear(8, TOKENS, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.embed(x)))


class BatchNormMlp(Mlp):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(16)

    def forward(self, x: Tensor) -> Tensor:
        return self.l2(torch.tanh(self.norm(self.l1(x))))


class MixingMlp(Mlp):
    """Subtracts the mean over the batch: no layer that a validator knows, and no per-sample gradient."""

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.l1(x)
        return self.l2(torch.tanh(hidden - hidden.mean(0)))


TOKEN_MODELS = (Embedded, Text, FunctionallyTied, LanguageModel)


def build(kind: Callable[[], nn.Module], seed: int = 3) -> nn.Module:
    """A freshly initialised model, the same for one seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return kind()


def batch_for(kind: type[nn.Module], size: int = 13, seed: int = 7) -> tuple[Tensor, Tensor]:
    """``(x, y)`` that fit the model: tokens or floats in its shape, and class labels."""
    g = torch.Generator().manual_seed(seed)
    shape = {Cnn: (1, 8, 8), Lstm: (5, 6), Attention: (5, 8)}.get(kind, (12,))
    if issubclass(kind, TOKEN_MODELS):
        x = torch.randint(0, TOKENS, (size, 5), generator=g)
    else:
        x = torch.randn(size, *shape, generator=g) * 3
    return x, torch.randint(0, CLASSES, (size,), generator=g)
