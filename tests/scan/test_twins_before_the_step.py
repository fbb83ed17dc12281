"""Programs in pairs about what happens between a backward pass and the step that a framework takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scan.test_twins import test_the_fault_and_its_right_twin as told_and_silent

LIGHTNING = """
import lightning as L

class Callback(L.Callback):
    def {when}(self, trainer, module{more}):
        {clip}

class Module(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(4, 2)

    def training_step(self, batch, _):
        x, y = batch
        return torch.nn.functional.cross_entropy(self.net(x), y)

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.net.parameters(), lr=0.1)
        self.net, optimizer, self.loader = private(self.net, optimizer, DataLoader([]))
        return optimizer

    def train_dataloader(self):
        return self.loader

    def on_before_optimizer_step(self, optimizer):
        {own}

L.Trainer({options}).fit(Module())
"""
RIGHT = {"when": "on_after_backward", "more": "", "clip": "pass", "own": "pass", "options": "max_epochs=1"}
CLIP = "torch.nn.utils.clip_grad_value_({}.net.parameters(), 0.5)"
CALLED = {"clip": CLIP.format("module"), "options": "callbacks=[Callback()]"}

TWO_TOWERS = """
class Towers(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.image, self.text = torch.nn.Linear(9, 4), torch.nn.Linear(5, 4)

    def forward(self, image, text):
        return self.image(image), self.text(text)

def contrast(a, b, heat=0.1):
    {likeness}

def train(loader):
    net = Towers()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    net, optimizer, loader = private(net, optimizer, loader)
    for image, text in loader:
        optimizer.zero_grad()
        contrast(*net(image, text)).backward()
        optimizer.step()
"""
OF_ALL = "return torch.nn.functional.cross_entropy(a @ b.t() / heat, torch.arange(len(a)))"
OF_EACH = "return (1 - (a * b).sum(-1) / heat).mean()"

HALF_MOVED = """
def train(net, loader):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    net, optimizer, loader = private(net, optimizer, loader)
    for i, (x, y) in enumerate(loader):
        torch.nn.functional.cross_entropy(net(x), y).backward()
        if i % 2 == 1:
            optimizer.step()
            optimizer.zero_grad()
        else:
            {otherwise}
"""

SPREAD = """
def step(net, optimizer, x, y):
    optimizer.zero_grad()
    torch.nn.functional.cross_entropy(net(x), y).backward()
    optimizer.step()

def train(net, loader):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    net, optimizer, drawn = private(net, optimizer, loader)
    for batch in {loader}:
        step(net, optimizer, *batch)
"""

PAIRS = [
    ("DPM109", LIGHTNING.format(**RIGHT | CALLED), LIGHTNING.format(**RIGHT)),
    (
        "DPM109",
        LIGHTNING.format(**RIGHT | CALLED | {"when": "on_before_optimizer_step", "more": ", optimizer"}),
        LIGHTNING.format(**RIGHT | CALLED | {"when": "on_train_epoch_end"}),
    ),
    (
        "DPM109",
        LIGHTNING.format(**RIGHT | {"own": CLIP.format("self")}),
        LIGHTNING.format(**RIGHT | {"own": "print(optimizer)"}),
    ),
    (
        "DPM109",
        LIGHTNING.format(**RIGHT | {"options": "gradient_clip_val=0.5"}),
        LIGHTNING.format(**RIGHT | {"options": "gradient_clip_val=None"}),
    ),
    ("DPM124", TWO_TOWERS.format(likeness=OF_ALL), TWO_TOWERS.format(likeness=OF_EACH)),
    ("DPM314", HALF_MOVED.format(otherwise="pass"), HALF_MOVED.format(otherwise="optimizer.virtual_step()")),
    ("DPM301", SPREAD.format(loader="loader"), SPREAD.format(loader="drawn")),
]


@pytest.mark.parametrize("rule, faulty, right", PAIRS)
def test_before_the_step_and_their_right_twins(tmp_path: Path, rule: str, faulty: str, right: str) -> None:
    told_and_silent(tmp_path, rule, faulty, right)
