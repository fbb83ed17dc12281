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

VIEWS = """
def train(net, loader):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    engine = PrivacyEngine()
    net, optimizer, loader = engine.make_private(
        module=net, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0,
        poisson_sampling=False)
    for x, y in loader:
        torch.nn.functional.cross_entropy(net(x), y).backward()
        {between}
        torch.nn.functional.cross_entropy(net({again}), y).backward()
        optimizer.step()
        optimizer.zero_grad()
"""

ONE_OF_TWO = """
def train(net, loader, weighted, weights):
    weight = None
    if weighted:
        weight = weights
    criterion = torch.nn.CrossEntropyLoss(weight=weight)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    net, optimizer, loader = PrivacyEngine().make_private(
        module=net, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0,
        poisson_sampling=False)
    for x, y in loader:
        optimizer.zero_grad()
        criterion(net(x), y).backward()
        optimizer.step()
"""

ACCELERATED = """
import accelerate

def train(net, loader, plain):
    accelerator = accelerate.Accelerator()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    net, optimizer, loader = private(net, optimizer, loader)
    for x, y in loader:
        optimizer.zero_grad()
        accelerator.backward(torch.nn.functional.cross_entropy(net(x), y))
        if accelerator.sync_gradients:
            accelerator.clip_grad_norm_({whose}.parameters(), 1.0)
        optimizer.step()

train(torch.nn.Linear(4, 2), DataLoader([]), torch.nn.Linear(4, 2))
"""

PATCHED = """
def patch(x, y):
    order = torch.randperm(len(x))
    mixed = x.clone()
    mixed[:, :, :3, :3] = {patch}
    return mixed, y, y[order]

def train(net, loader):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    net, optimizer, loader = private(net, optimizer, loader)
    for x, y in loader:
        optimizer.zero_grad()
        x, one, other = patch(x, y)
        torch.nn.functional.cross_entropy(net(x), one).backward()
        optimizer.step()
"""

GHOST = """
def train(net, loader, criterion):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    engine = PrivacyEngine()
    private, optimizer, criterion, loader = engine.make_private(
        module=net, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0,
        criterion=criterion, grad_sample_mode="ghost")
    for x, y in loader:
        {first}
        optimizer.zero_grad()
        criterion(private(x), {target}).backward()
        optimizer.step()

net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Linear(8, 1), torch.nn.Flatten(0))
for name, parameter in net.named_parameters():
    parameter.requires_grad = {chosen}
train(net, DataLoader([]), torch.nn.SmoothL1Loss())
"""
PADDED = """
from torch.nn.utils.rnn import pad_sequence

def collate(batch):
    rows, labels = zip(*batch)
    {pad}

class Reader(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = torch.nn.LSTM(4, 8, batch_first=True)
        self.head = torch.nn.Linear(8, 2)

    def forward(self, x):
        h, _ = self.rnn(x)
        return self.head({read})

def train(data):
    net = Reader()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    loader = DataLoader(data, batch_size=8, collate_fn=collate)
    net, optimizer, loader = private(net, optimizer, loader)
    epoch(net, loader, optimizer)
"""
EMBEDDED = PADDED.replace("torch.nn.LSTM(4, 8, batch_first=True)", "torch.nn.Embedding(9, 8)").replace(
    "h, _ =", "h ="
)
TO_LONGEST = "return pad_sequence(rows, batch_first=True), torch.tensor(labels)"
TO_TEN = "return torch.stack([torch.nn.functional.pad(r, (0, 0, 0, 10 - len(r))) for r in rows]), labels"

TAGGER = """
class Tagger(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.tags = torch.nn.Embedding(9, 8), torch.nn.Linear(8, 3)

    def forward(self, x):
        h = self.words(x){pooled}
        return {returned}

def train(loader):
    net = Tagger()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    net, optimizer, criterion, loader = PrivacyEngine().make_private(
        module=net, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0,
        criterion=torch.nn.CrossEntropyLoss(), grad_sample_mode="ghost")
    for x, y in loader:
        logits = net(x)
        criterion({logits}, y).backward()
        optimizer.step()
        optimizer.zero_grad()
"""
TAGS = {"pooled": "", "returned": "self.tags(h)", "logits": "logits"}
POOLED = {"pooled": ".transpose(1, 2).mean(2)"}

AS_IT_IS = {"first": "pass", "target": "y", "chosen": "True"}
UNFREEZE = "net.requires_grad_(True)"
BY_NAME = "name.startswith('1')"

PAIRS = [
    ("DPM105", GHOST.format(**AS_IT_IS | {"target": "y.float().view(-1, 1)"}), GHOST.format(**AS_IT_IS)),
    (
        "DPM119",
        GHOST.format(**AS_IT_IS | {"first": UNFREEZE, "chosen": BY_NAME}),
        GHOST.format(**AS_IT_IS | {"chosen": BY_NAME}),
    ),
    (
        "DPM119",
        GHOST.format(
            **AS_IT_IS | {"first": UNFREEZE, "chosen": "any(part in name for part in ('1', 'head'))"}
        ),
        GHOST.format(**AS_IT_IS | {"first": UNFREEZE}),
    ),
    ("DPM124", PATCHED.format(patch="x[order, :, :3, :3]"), PATCHED.format(patch="0.0")),
    ("DPM124", PATCHED.format(patch="x[order, :, :3, :3]"), PATCHED.format(patch="x[:, :, 1:4, 1:4]")),
    (
        "DPM124",
        VIEWS.format(between="pass", again="-x"),
        VIEWS.format(between="optimizer.step()", again="-x"),
    ),
    (
        "DPM124",
        VIEWS.format(between="print(len(x))", again="x.flip(1)"),
        VIEWS.format(between="pass", again="torch.rand(8, 4)"),
    ),
    ("DPM124", VIEWS.format(between="pass", again="-x"), ONE_OF_TWO),
    ("DPM124", PADDED.format(pad=TO_LONGEST, read="h[:, -1]"), PADDED.format(pad=TO_TEN, read="h[:, -1]")),
    (
        "DPM124",
        PADDED.format(pad=TO_LONGEST, read="h[:, -1, :]"),
        PADDED.format(pad=TO_LONGEST, read="h[mask_of(x)]"),
    ),
    ("DPM124", PADDED.format(pad=TO_LONGEST, read="h.mean(1)"), PADDED.format(pad=TO_TEN, read="h.mean(1)")),
    (
        "DPM124",
        PADDED.format(pad=TO_LONGEST, read="torch.mean(h, dim=1)"),
        PADDED.format(pad=TO_LONGEST, read="(h * mask_of(x)).sum(1) / mask_of(x).sum(1)"),
    ),
    (
        "DPM124",
        EMBEDDED.format(pad=TO_LONGEST, read="h.mean(dim=1)"),
        EMBEDDED.format(pad=TO_LONGEST, read="h.mean(dim=2)"),
    ),
    (
        "DPM124",
        EMBEDDED.format(pad=TO_LONGEST, read="torch.mean(h, 1)"),
        EMBEDDED.format(pad=TO_LONGEST, read="torch.mean(h, 1)").replace(
            "= self.rnn(x)", "= self.rnn(x); h = h.mT"
        ),
    ),
    (
        "DPM105",
        TAGGER.format(**TAGS | {"returned": "self.tags(h).transpose(1, 2)"}),
        TAGGER.format(**TAGS | POOLED),
    ),
    (
        "DPM105",
        TAGGER.format(**TAGS | {"logits": "logits.permute(0, 2, 1)"}),
        TAGGER.format(**TAGS | {"logits": "logits.permute(0, 2, 1)[:, :, -1]"}),
    ),
    ("DPM109", ACCELERATED.format(whose="net"), ACCELERATED.format(whose="plain")),
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
