"""Planting a silent fault into a training script that is right, by a textual edit, and judging the verdict.

The scripts are the projects of ``fixtures/`` and one language model.
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
BY_HAND_RIGHT = (
    "optimizer.zero_grad()\n                loss_per",
    "optimizer.zero_grad(True)\n                loss_per",
)
"""Makes the passes of :data:`BY_HAND` right."""
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
