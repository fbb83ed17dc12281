"""Silent faults planted by a textual edit into training scripts that are right, and how each must be named.

The scripts are the projects of ``fixtures/`` and one language model; what is planted is what the
measurements found in public code. Without its edit every script passes (:data:`TWINS`).
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.opacus_releases import CHECKOUT, KNOWN
from tests.verify.running import Verified
from tests.verify.warm import verify

SINCE_153 = KNOWN[3:]
BEFORE_153 = KNOWN[:3]

Edit = tuple[str, str]


@dataclass(frozen=True)
class Script:
    """A right training script: its folder in the checkout, the file to run, its loop by file name.

    ``releases`` are those on which it runs and is right.
    """

    folder: str
    run: str
    releases: tuple[str, ...]

    def plant(self, edits: tuple[Edit, ...], target: Path) -> None:
        """Copy the project to ``target`` with every edit made in the one file that it fits exactly once."""
        source = CHECKOUT / self.folder
        target.mkdir(parents=True, exist_ok=True)
        names = [self.run] if self.folder == "tests/verify" else [p.name for p in source.glob("*.py")]
        texts = {name: (source / name).read_text(encoding="utf-8") for name in names}
        for old, new in edits:
            fits = [name for name, text in texts.items() if text.count(old) == 1]
            assert len(fits) == 1, f"{old!r} fits {fits} in {self.folder}"
            texts[fits[0]] = texts[fits[0]].replace(old, new)
        for name, text in texts.items():
            (target / name).write_text(text, encoding="utf-8")
        for other in source.glob("requirements*"):
            shutil.copy(other, target)


CLASSIFIER = Script("fixtures/single-script/after", "train.py", SINCE_153)
TRAINER = Script("fixtures/trainer-class/after", "run_classification.py", SINCE_153)
LANGUAGE = Script("tests/verify", "train_language.py", ("1.6.0",))
OLD = Script("fixtures/set-to-none/before", "train.py", ("1.5.2",))
BY_HAND = Script("fixtures/two-pass-by-hand/before", "train.py", ())
ADAPTIVE = Script("fixtures/adaptive-engine/after", "train.py", SINCE_153)


@dataclass(frozen=True)
class Plant:
    """A fault in a script.

    ``silent``: the releases on which nothing raises. ``rule``: the rule id that a failing check must
    name; None where no advisory covers it, then ``says`` must stand in the detail of a failing check.
    ``checks``: those that are made.
    """

    letter: str
    name: str
    script: Script
    edits: tuple[Edit, ...]
    silent: tuple[str, ...]
    rule: str | None = None
    says: str = ""
    checks: str = "parity"


def run(plant: Plant, version: str, folder: Path) -> Verified:
    """Plant the fault in ``folder`` and verify the script there on one release."""
    plant.script.plant(plant.edits, folder)
    return verify(version, "--checks", plant.checks, plant.script.run, cwd=folder)


def problem(plant: Plant, done: Verified) -> str:
    """Why the verdict on a planted fault is not the one due; empty where it is."""
    if done.status != 1:
        return f"exit status {done.status}: {done.stderr[-2000:]}"
    rules = {rule for _, rule in done.failing} - {None}
    if rules != ({plant.rule} if plant.rule else set()):
        return f"named {sorted(map(str, rules))}"
    details = [c["detail"] for c in done.report["checks"] if c["passed"] is False]
    return "" if any(plant.says in detail for detail in details) else f"said {details}"


_BACKWARD = "loss.backward()\n                optimizer.step()"
_RETURNED = "model, optimizer, criterion, train_loader = privacy_engine"
_NO_MANAGER = (
    """        with BatchMemoryManager(
            data_loader=train_loader, max_physical_batch_size=16, optimizer=optimizer
        ) as loader:
            for x, y in loader:
""",
    """        if True:
            for number, (x, y) in enumerate(train_loader):
""",
)
_MEAN_LOSS = """
class MeanLoss(nn.Module):
    reduction = "mean"

    def forward(self, output, target):
        losses = nn.functional.cross_entropy(output, target, reduction="none")
        return (losses * (1 - torch.exp(-losses)) ** 2).mean()


def main():
"""
_BY_HAND_RIGHT = (
    "optimizer.zero_grad()\n                loss_per",
    "optimizer.zero_grad(True)\n                loss_per",
)


def _before_step(line: str) -> Edit:
    """An edit of the classifier that puts a line between ``backward()`` and ``step()``."""
    return (_BACKWARD, f"loss.backward()\n                {line}\n                optimizer.step()")


def _after_make_private(line: str) -> Edit:
    return ("    for epoch in range(EPOCHS):\n", f"    {line}\n    for epoch in range(EPOCHS):\n")


PLANTS: tuple[Plant, ...] = (
    Plant(
        "a",
        "F.cross_entropy goes backward",
        CLASSIFIER,
        (("loss = criterion(model(x), y)", "loss = nn.functional.cross_entropy(model(x), y)"),),
        SINCE_153,
        "DPM103",
    ),
    Plant(
        "a",
        "the model's own loss goes backward",
        TRAINER,
        (
            ('self.model(input_ids=inputs["input_ids"])', "self.model(**inputs)"),
            ('return self.criterion(outputs.logits, inputs["labels"])', "return outputs.loss"),
        ),
        SINCE_153,
        "DPM103",
    ),
    Plant(
        "a'",
        "own criterion object after make_private",
        CLASSIFIER,
        ((_RETURNED, "model, optimizer, _, train_loader = privacy_engine"),),
        ("1.6.0",),
        "DPM103",
    ),
    Plant(
        "b1",
        "MSELoss of shape (B, 1)",
        CLASSIFIER,
        (
            ("nn.Linear(16, 4)", "nn.Linear(16, 1)"),
            ("nn.CrossEntropyLoss()", "nn.MSELoss()"),
            ("criterion(model(x), y)", "criterion(model(x), y.float()[:, None])"),
        ),
        SINCE_153,
        "DPM105",
    ),
    Plant(
        "b1",
        "losses of shape (B, 1), old API",
        OLD,
        (
            ("nn.Linear(16, 4)", "nn.Linear(16, 1)"),
            ("nn.CrossEntropyLoss(reduction", "nn.MSELoss(reduction"),
            ("criterion(model(x), y)", "criterion(model(x), y.float()[:, None])"),
        ),
        ("1.5.2",),
        "DPM105",
    ),
    Plant(
        "b3",
        "criterion=F.cross_entropy",
        CLASSIFIER,
        (("criterion = nn.CrossEntropyLoss()", "criterion = nn.functional.cross_entropy"),),
        ("1.6.0",),
        "DPM104",
    ),
    Plant(
        "b3",
        "criterion=lambda",
        TRAINER,
        (("self.criterion = nn.CrossEntropyLoss()", "self.criterion = lambda o, t: F.cross_entropy(o, t)"),),
        ("1.6.0",),
        "DPM104",
    ),
    Plant(
        "b3",
        "criterion ignores its reduction",
        CLASSIFIER,
        (("\ndef main():\n", _MEAN_LOSS), ("criterion = nn.CrossEntropyLoss()", "criterion = MeanLoss()")),
        SINCE_153,
        "DPM104",
    ),
    Plant(
        "d",
        "two backward passes, one step",
        CLASSIFIER,
        (
            _NO_MANAGER,
            (
                "                optimizer.zero_grad()\n",
                "                if number % 2 == 0:\n                    optimizer.zero_grad()\n",
            ),
            (
                _BACKWARD,
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
            _NO_MANAGER,
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
        (_before_step("optimizer.zero_grad()"),),
        SINCE_153,
        "DPM108",
        says="cleared between backward() and step()",
    ),
    Plant(
        "f2",
        "loss + penalty on the parameters",
        CLASSIFIER,
        (
            (
                "loss.backward()",
                "loss = loss + 0.1 * sum(p.pow(2).sum() for p in model.parameters())\n"
                "                loss.backward()",
            ),
        ),
        ("1.6.0",),
        "DPM107",
    ),
    Plant(
        "g",
        "ignore_index, target by keyword",
        LANGUAGE,
        (("target.view(-1), shape", "target=target.view(-1), shape"),),
        SINCE_153,
        "DPM110",
        says="wrong weights",
    ),
    Plant("g", "ignore_index", LANGUAGE, (), ("1.5.3", "1.5.4"), "DPM110", says="wrong weights"),
    Plant(
        "g'",
        "no shape=, one sequence in a physical batch",
        LANGUAGE,
        (
            (", shape=logits.shape", ""),
            ("max_physical_batch_size=16", "max_physical_batch_size=1"),
            ("target[torch.arange(LENGTH) >= length] = PAD", ""),
        ),
        SINCE_153,
        "DPM111",
        says="scaled by 7",
    ),
    Plant(
        "h",
        "Linear bias on 3-d activations",
        LANGUAGE,
        (("target[torch.arange(LENGTH) >= length] = PAD", ""),),
        ("1.5.3",),
        "DPM112",
        says="hidden.bias",
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
        (_before_step("nn.utils.clip_grad_norm_(model.parameters(), 0.1)"),),
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
        "n",
        "loss_reduction is sum, the first pass takes a mean",
        OLD,
        (("max_grad_norm=1.0,", 'max_grad_norm=1.0,\n        loss_reduction="sum",'),),
        ("1.5.2",),
        "DPM115",
        says="loss_reduction",
    ),
    Plant(
        "s",
        "optimizer.max_grad_norm by hand",
        CLASSIFIER,
        (_after_make_private("optimizer.max_grad_norm = 0.2"),),
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
            _after_make_private("scheduler = ExponentialGradClip(optimizer, gamma=0.5)"),
            (_BACKWARD, _BACKWARD + "\n                scheduler.step()"),
        ),
        SINCE_153,
        "DPM116",
        says="the model clips at 1, while the noise is scaled by",
    ),
    Plant(
        "t",
        "a weight used outside its module",
        LANGUAGE,
        (("return self.head(hidden)", "return hidden @ self.embed.weight.T + 0 * self.head(hidden)"),),
        ("1.6.0",),
        "DPM117",
        says="embed.weight",
    ),
    Plant(
        "u",
        "enable_hooks() forgotten",
        BY_HAND,
        (
            _BY_HAND_RIGHT,
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
            _after_make_private(
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
            _NO_MANAGER,
            (_BACKWARD, "loss.backward()\n                raw.step()"),
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
            _BY_HAND_RIGHT,
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

TWINS: tuple[Plant, ...] = (
    Plant("0", "classifier", CLASSIFIER, (), SINCE_153),
    Plant("0", "trainer class", TRAINER, (), SINCE_153),
    Plant("0", "language model", LANGUAGE, (), ("1.6.0",)),
    Plant("0", "double_backward", OLD, (), ("1.5.2",)),
    Plant("0", "two passes by hand", BY_HAND, (_BY_HAND_RIGHT,), BEFORE_153),
    Plant("0", "adaptive clipping", ADAPTIVE, (), SINCE_153),
    Plant(
        "y",
        "class weights",
        CLASSIFIER,
        (("nn.CrossEntropyLoss()", "nn.CrossEntropyLoss(weight=torch.tensor([1.0, 5.0, 0.2, 3.0]))"),),
        SINCE_153,
    ),
)
