"""Faults of the loop and the engine: between ``backward()`` and ``step()``, of C, layers, noise, steps."""

from __future__ import annotations

from tests.verify.planting import (
    ADAPTIVE,
    BEFORE_153,
    BY_HAND,
    BY_HAND_RIGHT,
    CLASSIFIER,
    OLD,
    SINCE_153,
    TRAINER,
    Edit,
    Plant,
)

BACKWARD = "loss.backward()\n                optimizer.step()"
NO_MANAGER = (
    """        with BatchMemoryManager(
            data_loader=train_loader, max_physical_batch_size=16, optimizer=optimizer
        ) as loader:
            for x, y in loader:
""",
    """        if True:
            for number, (x, y) in enumerate(train_loader):
""",
)


def before_step(line: str) -> Edit:
    """An edit of the classifier that puts a line between ``backward()`` and ``step()``."""
    return (BACKWARD, f"loss.backward()\n                {line}\n                optimizer.step()")


def after_make_private(line: str) -> Edit:
    return ("    for epoch in range(EPOCHS):\n", f"    {line}\n    for epoch in range(EPOCHS):\n")


PLANTS: tuple[Plant, ...] = (
    Plant(
        "d",
        "two backward passes, one step",
        CLASSIFIER,
        (
            NO_MANAGER,
            (
                "                optimizer.zero_grad()\n",
                "                if number % 2 == 0:\n                    optimizer.zero_grad()\n",
            ),
            (
                BACKWARD,
                "loss.backward()\n                if number % 2:\n                    optimizer.step()",
            ),
        ),
        SINCE_153,
        "DPM106",
    ),
    Plant(
        "d",
        "two backward passes, one step, old API",
        OLD,
        (
            NO_MANAGER,
            (
                "                optimizer.zero_grad(set_to_none=True)\n",
                "                if number % 2 == 0:\n"
                "                    optimizer.zero_grad(set_to_none=True)\n",
            ),
            (
                "optimizer, loss)\n                optimizer.step()",
                "optimizer, loss)\n                if number % 2:\n                    optimizer.step()",
            ),
        ),
        ("1.5.2",),
        "DPM106",
    ),
    Plant(
        "e",
        "zero_grad() between backward and step",
        CLASSIFIER,
        (before_step("optimizer.zero_grad()"),),
        SINCE_153,
        "DPM108",
        says="cleared between backward() and step()",
    ),
    Plant(
        "i",
        "the engine ignores max_grad_norm",
        OLD,
        (("max_grad_norm=1.0", "max_grad_norm=0.3"),),
        ("1.5.2",),
        "DPM102",
    ),
    Plant(
        "j1",
        "adaptive ghost clipping",
        ADAPTIVE,
        (('    criterion.criterion.reduction = "none"\n', ""),),
        ("1.6.0",),
        "DPM113",
        says="adaptive ghost clipping",
    ),
    Plant(
        "j3",
        "adaptive clipping under the memory manager",
        ADAPTIVE,
        (
            (
                "from torch import nn",
                "from opacus.utils.batch_memory_manager import BatchMemoryManager\nfrom torch import nn",
            ),
            (
                "        for xb, yb in loader:\n",
                "        parts = BatchMemoryManager(\n"
                "            data_loader=loader, max_physical_batch_size=30, optimizer=optimizer)\n"
                "        for xb, yb in parts.__enter__():\n",
            ),
        ),
        SINCE_153,
        "DPM114",
        says="physical",
    ),
    Plant(
        "k",
        "clip_grad_norm_ before step",
        CLASSIFIER,
        (before_step("nn.utils.clip_grad_norm_(model.parameters(), 0.1)"),),
        SINCE_153,
        "DPM109",
        says="p.grad was changed",
    ),
    Plant(
        "k'",
        "p.grad scaled before step",
        TRAINER,
        (
            (
                "                    self.optimizer.step()\n",
                "                    for p in self.model.parameters():\n"
                "                        p.grad *= 3\n"
                "                    self.optimizer.step()\n",
            ),
        ),
        SINCE_153,
        "DPM109",
        says="p.grad was changed",
    ),
    Plant(
        "s",
        "optimizer.max_grad_norm by hand",
        CLASSIFIER,
        (after_make_private("optimizer.max_grad_norm = 0.2"),),
        SINCE_153,
        "DPM116",
        says="the model clips at 1, while the noise is scaled by 0.2",
    ),
    Plant(
        "s",
        "gradient clip scheduler",
        CLASSIFIER,
        (
            (
                "from opacus.utils",
                "from opacus.schedulers import ExponentialGradClip\nfrom opacus.utils",
            ),
            after_make_private("scheduler = ExponentialGradClip(optimizer, gamma=0.5)"),
            (BACKWARD, BACKWARD + "\n                scheduler.step()"),
        ),
        SINCE_153,
        "DPM116",
        says="the model clips at 1, while the noise is scaled by",
    ),
    Plant(
        "u",
        "enable_hooks() forgotten",
        BY_HAND,
        (
            BY_HAND_RIGHT,
            ("                model.enable_hooks()\n", ""),
            ("max_physical_batch_size=32", "max_physical_batch_size=40"),
            ("max_grad_norm=1.0,", "max_grad_norm=1.0,\n        poisson_sampling=False,"),
        ),
        BEFORE_153,
        "DPM118",
        says="hooks",
    ),
    Plant(
        "w",
        "a layer unfrozen after make_private",
        CLASSIFIER,
        (
            (
                "    optimizer = torch.optim.SGD",
                "    model[0].requires_grad_(False)\n    optimizer = torch.optim.SGD",
            ),
            after_make_private(
                "model.requires_grad_(True)\n    for p in model.parameters():\n"
                '        p.summed_grad = getattr(p, "summed_grad", None)'
            ),
        ),
        SINCE_153,
        "DPM119",
        says="frozen",
    ),
    Plant(
        "x",
        "the raw torch optimizer is stepped",
        CLASSIFIER,
        (
            ("    optimizer = torch.optim.SGD(", "    raw = optimizer = torch.optim.SGD("),
            NO_MANAGER,
            (BACKWARD, "loss.backward()\n                raw.step()"),
        ),
        SINCE_153,
        "DPM120",
        says="no noise",
        checks="parity,private-step",
    ),
    Plant(
        "101",
        "memory manager, zero_grad() in place",
        OLD,
        (("zero_grad(set_to_none=True)", "zero_grad()"),),
        ("1.5.2",),
        "DPM101",
    ),
    Plant("101", "memory manager, two passes by hand", BY_HAND, (), ("1.5", "1.5.1", "1.5.2"), "DPM101"),
    Plant(
        "402",
        "two passes by hand, gradients not cleared between them",
        BY_HAND,
        (
            BY_HAND_RIGHT,
            ("retain_graph=True)\n                optimizer.zero_grad()\n", "retain_graph=True)\n"),
        ),
        BEFORE_153,
        "DPM402",
    ),
    Plant(
        "201",
        "a bare noise generator",
        TRAINER,
        (
            (
                "grad_sample_mode=self.args",
                "noise_generator=torch.Generator(),\n            grad_sample_mode=self.args",
            ),
        ),
        SINCE_153,
        "DPM201",
        checks="noise",
    ),
)
