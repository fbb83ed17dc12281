"""A private training that edits plant something into, for what is done around its steps."""

from __future__ import annotations

from pathlib import Path

from tests.verify.running import Verified
from tests.verify.warm import verify

PROGRAM = """
import torch
from opacus import PrivacyEngine
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
torch.set_num_threads(1)
g = torch.Generator().manual_seed(1)
x = torch.randn(120, 6, generator=g)
data = TensorDataset(x, x[:, :3].argmax(1))
model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
def train(model, mode, epochs=2, sigma=1.0):
    engine = PrivacyEngine(accountant="rdp")
    raw = torch.optim.SGD(model.parameters(), lr=0.1)
    public = DataLoader(data, batch_size=12)
    extra = {"criterion": nn.CrossEntropyLoss()} if mode == "ghost" else {}
    made = engine.make_private(
        module=model, optimizer=raw, data_loader=public, noise_multiplier=sigma,
        max_grad_norm=1.0, grad_sample_mode=mode, **extra,
    )
    private, optimizer, loader = made[0], made[1], made[-1]
    criterion = made[2] if mode == "ghost" else nn.CrossEntropyLoss()
    for epoch in range(epochs):
        for number, (a, b) in enumerate(loader):
            optimizer.zero_grad()
            criterion(private(a), b).backward()
            optimizer.step()
    print(engine.get_epsilon(1e-5))
    return private
train(model, "ghost")
"""

BOTH = "        for number, ({}) in enumerate(zip({})):\n"
STEP = "            optimizer.step()\n"
LOOP = "        for number, (a, b) in enumerate(loader):\n"
BARE = "[setattr(p, 'grad', p.summed_grad.view_as(p)) for p in optimizer.params]"
CALL = 'train(model, "ghost")\n'

WATCHED = "parity,private-loader,private-step,accounting,logical-batches,noise-std"
"""What one or two runs of the script tell, of the six that all checks take."""


def planted(folder: Path, *edits: tuple[str, str], checks: str = "", steps: str = "2") -> Verified:
    """The program with every edit made in it, verified on the newest release."""
    text = PROGRAM
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (folder / "train.py").write_text(text, encoding="utf-8")
    return verify(
        "1.6.0", "--steps", steps, *(["--checks", checks] if checks else []), "train.py", cwd=folder
    )
