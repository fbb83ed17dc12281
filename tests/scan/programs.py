"""Small programs laid out in a folder, for tests of what the analysis sees."""

from __future__ import annotations

import textwrap
from pathlib import Path

GHOST_STEP = """
import torch
from torch import nn
from opacus import PrivacyEngine
from opacus.utils.batch_memory_manager import BatchMemoryManager

def train(data, mode="ghost"):
    torch.manual_seed(1)
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = torch.utils.data.DataLoader(data, batch_size=8)
    model, optimizer, criterion, loader = PrivacyEngine().make_private(
        module=model, optimizer=optimizer, data_loader=loader, criterion=nn.CrossEntropyLoss(),
        noise_multiplier=1.0, max_grad_norm=1.0, grad_sample_mode=mode,
    )
    for x, y in loader:
        LOSS
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
"""


def right(**changes: str) -> str:
    """A right training function in ghost mode, with some words of it replaced."""
    text = GHOST_STEP.replace("LOSS", changes.pop("loss", "loss = criterion(model(x), y)"))
    for old, new in changes.items():
        text = text.replace(old, new)
    return text


def wrong() -> str:
    """The same function with a loss that ``make_private`` did not wrap: DPM103, definitely."""
    return right(loss="loss = nn.functional.cross_entropy(model(x), y)")


def lay_out(folder: Path, **files: str) -> Path:
    """Write files below a folder; ``__`` in a name stands for a slash, the suffix is ``.py``."""
    for name, text in files.items():
        path = folder / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
    return folder
