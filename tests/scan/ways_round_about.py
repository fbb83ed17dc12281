"""Small programs in pairs, one with a fault that stands round about: behind a decorator, an index, a name."""

from __future__ import annotations

from tests.scan.ways_of_writing import HEAD, HOOKS, Pair

STEP = """
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
"""

SUMMED = """
criterion = nn.CrossEntropyLoss(reduction="REDUCTION")
for x, y in loader:
    optimizer.zero_grad()
    loss = criterion(net(x), y)
    FACT
    optimizer.step()
"""

ROUND_ABOUT = (
    Pair(
        "DPM119",
        "one-parameter-by-its-place",
        HEAD
        + """
net = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 4))
net[0].weight.requires_grad = False
FACT
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
private, optimizer, criterion, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=optimizer,
    criterion=nn.CrossEntropyLoss(),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
    grad_sample_mode="ghost",
)
for epoch in range(3):
    for x, y in loader:
        optimizer.zero_grad()
        criterion(private(x), y).backward()
        optimizer.step()
    net[0].weight.requires_grad = True
""",
        "pass",
        "net[0].weight.requires_grad = True",
    ),
    *(
        Pair(
            "DPM120",
            f"step-of-the-class-{name}",
            HEAD + HOOKS + STEP.replace("optimizer.step()", "FACT"),
            f"torch.optim.{name}.step(optimizer.original_optimizer)",
            "optimizer.step()",
        )
        for name in ("SGD", "Optimizer")
    ),
    *(
        Pair(
            "DPM124",
            f"standardised-by-a-helper-{name}",
            HEAD
            + HOOKS
            + f"""
def standardised(z):
    {first}
    return (z - middle) / (z.std(1, keepdim=True) + 1e-5)


for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(standardised(net(x)), y).backward()
    optimizer.step()
""",
            "0",
            "1",
        )
        for name, first in (
            ("keyword", "middle = z.mean(dim=FACT, keepdim=True)"),
            ("function", "middle = torch.mean(z, FACT, keepdim=True)"),
            ("two-at-once", "middle, spread = z.mean(FACT), z.std(1)"),
        )
    ),
    *(
        Pair(
            "DPM311",
            f"suppressed-{name}",
            HEAD
            + """
import contextlib
from contextlib import suppress

net = nn.Linear(16, 8)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
loader = DataLoader(data(), batch_size=32)
with FACT:
    net, optimizer, loader = PrivacyEngine().make_private(
        module=net, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0
    )
"""
            + STEP,
            wrong,
            "contextlib.nullcontext()",
        )
        for name, wrong in (
            ("everything", "contextlib.suppress(Exception)"),
            ("some", "suppress(ValueError, RuntimeError)"),
        )
    ),
    Pair(
        "DPM205",
        "decorator-around-the-step",
        HEAD
        + HOOKS
        + """
import functools


def same_every_time(step):
    @functools.wraps(step)
    def inner(*args, **kwargs):
        FACT
        return step(*args, **kwargs)

    return inner


@same_every_time
def train_step(x, y):
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()


for x, y in loader:
    train_step(x, y)
""",
        "torch.manual_seed(0)",
        "torch.use_deterministic_algorithms(True)",
    ),
    Pair(
        "DPM109",
        "decorator-with-options-around-a-method",
        HEAD
        + HOOKS
        + """
def clipped(limit):
    def around(method):
        def inner(self, *args):
            loss = method(self, *args)
            FACT
            self.optimizer.step()
            return loss

        return inner

    return around


class Trainer:
    def __init__(self, net, optimizer):
        self.net, self.optimizer = net, optimizer

    @clipped(limit=0.5)
    def step(self, x, y):
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.net(x), y)
        loss.backward()
        return loss.item()


trainer = Trainer(net, optimizer)
for x, y in loader:
    trainer.step(x, y)
""",
        "nn.utils.clip_grad_norm_(self.net.parameters(), limit)",
        "print(loss, limit)",
    ),
    *(
        Pair(
            "DPM115",
            f"sum-under-a-mean-{name}",
            HEAD + HOOKS + SUMMED.replace("REDUCTION", reduction),
            wrong,
            right,
        )
        for name, reduction, wrong, right in (
            ("divided", "sum", "loss.backward()", "(loss / len(x)).backward()"),
            ("of-losses", "none", "loss.sum().backward()", "loss.mean().backward()"),
            ("by-a-function", "none", "torch.sum(loss).backward()", "torch.mean(loss).backward()"),
        )
    ),
    Pair(
        "DPM115",
        "sum-of-what-is-a-mean-already",
        HEAD
        + HOOKS
        + """
criterion = nn.CrossEntropyLoss(reduction=FACT)
for x, y in loader:
    optimizer.zero_grad()
    criterion(net(x), y).sum().backward()
    optimizer.step()
""",
        '"none"',
        '"mean"',
    ),
    Pair(
        "DPM115",
        "told-to-the-wrapped-module",
        HEAD
        + """
from opacus.grad_sample import GradSampleModuleFastGradientClipping
from opacus.optimizers import DPOptimizerFastGradientClipping

net = GradSampleModuleFastGradientClipping(nn.Linear(16, 4), max_grad_norm=1.0, loss_reduction="mean")
optimizer = DPOptimizerFastGradientClipping(
    torch.optim.SGD(net.parameters(), lr=0.1),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
    expected_batch_size=32,
    loss_reduction="mean",
)
for x, y in DataLoader(data(), batch_size=32):
    losses = F.cross_entropy(net(x), y, reduction="none")
    losses.FACT().backward(retain_graph=True)
    optimizer.zero_grad()
    factors = net.get_coeff()
    net.disable_hooks()
    (factors * losses).sum().backward()
    net.enable_hooks()
    optimizer.step()
    optimizer.zero_grad()
""",
        "sum",
        "mean",
        "==1.5.2",
    ),
    Pair(
        "DPM304",
        "engine-that-a-callback-hangs-on-the-module",
        HEAD
        + """
import lightning


class Private(lightning.Callback):
    def on_FACT_start(self, trainer, module):
        module.dp = PrivacyEngine()
        module.net, module.optimizer, module.loader = module.dp.make_private(
            module=module.net,
            optimizer=module.optimizer,
            data_loader=module.loader,
            noise_multiplier=1.0,
            max_grad_norm=1.0,
        )

    def on_train_epoch_end(self, trainer, module):
        print(module.dp.get_epsilon(1e-5))
""",
        "train_epoch",
        "fit",
    ),
    *(
        Pair(
            "DPM306",
            f"dict-that-is-read-by-attribute-{name}",
            HEAD
            + f"""
import easydict


class Config(dict):
    {body}


config = {made}
net = nn.Linear(16, 4)
engine = PrivacyEngine()
net, optimizer, loader = engine.make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=config.lr),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
"""
            + STEP
            + "print(engine.get_epsilon(config.delta))\n",
            "0.05",
            "1e-6",
        )
        for name, body, made in (
            ("of-the-program", "__getattr__ = dict.__getitem__", "Config(lr=0.1, delta=FACT)"),
            (
                "with-a-method",
                "def __getattr__(self, name):\n        return self[name]",
                'Config({"lr": 0.1, "delta": FACT})',
            ),
            ("of-a-library", "pass", 'easydict.EasyDict({"lr": 0.1, "delta": FACT})'),
        )
    ),
)
