"""Fixes on offer under one pin after some files changed: planned of those, and what a first scan says."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from dpmigrate import api
from dpmigrate.analysis.source.components import Group
from dpmigrate.fixing import offers
from dpmigrate.fixing.offers import Planned
from dpmigrate.model import Finding
from dpmigrate.project import Project
from dpmigrate.report import render
from dpmigrate.report.style import Style
from tests.fixtures_support import fixtures
from tests.scan.programs import right, wrong

EDITS = int(os.environ.get("DPMIGRATE_EDITS", "6"))
PINS = (
    "opacus==1.5.2\n",
    "opacus>=1.5\n",
    "opacus<1.5.3\n",
    "opacus>=1.5.4\n",
    "opacus>=0.13\n",
    "opacus==0.15.0\n",
)


def scanned(folder: Path, kept: bool) -> str:
    cache = folder.parent / "cache" if kept else None
    return render("json", api.scan(["."], cwd=folder, jobs=1, cache=cache), Style())


def texts() -> list[str]:
    """Training scripts that are mended, left, refused, or have nothing to mend."""
    befores = [f.side("before") for f in fixtures() if f.has("before")]
    scripts = [path for side in befores for path in sorted(side.glob("*.py"))]
    told = [path.read_text(encoding="utf-8") for path in scripts]
    return [text for text in told if len(text) < 6_000] + [wrong(), right(), "x = 1\n"]


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of groups of every plan that was made."""
    numbers: list[int] = []
    plan = offers.with_offers

    def noted(
        findings: Sequence[Finding], project: Project, groups: Sequence[Group], least: int = 1
    ) -> Planned:
        numbers.append(len(groups))
        return plan(findings, project, groups, least)

    monkeypatch.setattr(offers, "with_offers", noted)
    return numbers


def lay(folder: Path, scripts: Sequence[str], pin: str) -> Path:
    for number, text in enumerate(scripts):
        path = folder / f"part{number}" / "train.py"
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
    (folder / "requirements.txt").write_text(pin, encoding="utf-8")
    (folder / ".git").mkdir()
    return folder


def test_a_comment_costs_the_plan_of_its_own_file_and_of_two_more(tmp_path: Path, planned: list[int]) -> None:
    folder = lay(tmp_path / "project", [wrong()] * 8, "opacus==1.5.2\n")
    scanned(folder, True)
    assert planned == [8]
    for number in (0, 3, 7):
        path = folder / f"part{number}" / "train.py"
        path.write_text(f"# {number}\n{path.read_text(encoding='utf-8')}", encoding="utf-8")
        planned.clear()
        warm = scanned(folder, True)
        assert planned == [3]
        assert warm == scanned(folder, False)


@pytest.mark.parametrize("refused", ["", "criterion-custom-bad"])
def test_code_of_0_x_under_the_pin_is_planned_beside_what_changed(
    tmp_path: Path, planned: list[int], refused: str
) -> None:
    by_name = {f.path.name: f.side("before") for f in fixtures() if f.has("before")}
    old = (by_name["attached-engine"] / "train.py").read_text(encoding="utf-8")
    more = [(by_name[refused] / "train.py").read_text(encoding="utf-8")] if refused else []
    folder = lay(tmp_path / "project", [wrong()] * 6 + [old, *more], "opacus>=0.13\n")
    scanned(folder, True)
    for number in (2, 6):
        path = folder / f"part{number}" / "train.py"
        path.write_text(f"# {number}\n{path.read_text(encoding='utf-8')}", encoding="utf-8")
        planned.clear()
        warm = scanned(folder, True)
        assert len(planned) == 1
        assert planned[0] < 6
        assert warm == scanned(folder, False)


def test_what_one_file_decides_for_all_is_planned_for_all(tmp_path: Path, planned: list[int]) -> None:
    folder = lay(tmp_path / "project", [wrong()] * 6, "opacus==1.5.2\n")
    first = scanned(folder, True)
    refused = "\n".join(
        text for text in texts() if "double_backward" in text
    )  # more than one program in a file: nobody can tell them apart
    for text in (refused, wrong()):
        (folder / "part2" / "train.py").write_text(text, encoding="utf-8")
        assert scanned(folder, True) == scanned(folder, False)
    assert scanned(folder, True) == first


@pytest.mark.parametrize("seed", range(int(os.environ.get("DPMIGRATE_SEEDS", "2"))))
def test_whatever_changes_the_answer_is_that_of_a_first_scan(tmp_path: Path, seed: int) -> None:
    chance, variants = random.Random(seed), texts()
    folder = lay(tmp_path / "project", chance.choices(variants, k=7), chance.choice(PINS))
    scanned(folder, True)
    for step in range(EDITS):
        for _ in range(chance.choice((1, 1, 1, 2))):
            path = folder / f"part{chance.randrange(7)}" / "train.py"
            text = path.read_text(encoding="utf-8")
            text = f"# {step}\n{text}" if chance.random() < 0.4 else chance.choice(variants)
            path.write_text(text, encoding="utf-8")
        assert scanned(folder, True) == scanned(folder, False)
