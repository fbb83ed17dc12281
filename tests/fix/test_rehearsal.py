"""A try of a fix costs what the fix reaches, and says what a second analysis of everything says."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dpmigrate.advisories.findings import findings_of
from dpmigrate.fixing.rehearsal import Rehearsals
from dpmigrate.project.opening import open_project
from dpmigrate.workspace.discover import discover
from dpmigrate.workspace.settings import Settings
from tests.fix.conftest import NEW, OLD, Folder
from tests.fixtures_support import Fixture, fixtures

Make = Callable[..., Folder]
HELPER = "from opacus import PrivacyEngine\n\n\ndef engine():\n    return PrivacyEngine()\n"


def rehearsals(folder: Path) -> Rehearsals:
    return Rehearsals(open_project(discover(["."], Settings(str(folder)))))


def overlay(folder: Path, **contents: str) -> dict[str, bytes]:
    return {str(folder.resolve() / f"{name}.py"): text.encode() for name, text in contents.items()}


def same_as_afresh(tries: Rehearsals, contents: dict[str, bytes]) -> None:
    afresh = open_project(tries.project.workspace, overlay=contents)
    tried = tries.of(contents)
    assert findings_of(tried).findings == findings_of(afresh).findings
    assert findings_of(tried).runs == findings_of(afresh).runs
    assert sorted(tried.not_analysed) == sorted(afresh.not_analysed)
    assert set(tried.modules) == set(afresh.modules)


def test_what_does_not_change_is_taken_over(folder: Make) -> None:
    project = folder({"train.py": OLD, "other.py": OLD, "helper.py": HELPER})
    tries = rehearsals(project.path)
    before = tries.project
    after = tries.of(overlay(project.path, train=NEW))
    assert after.modules["other.py"] is before.modules["other.py"]
    assert after.modules["train.py"] is not before.modules["train.py"]
    assert before.program is not None
    assert after.program is not None
    shared = {id(part) for part in before.program.parts} & {id(part) for part in after.program.parts}
    assert len(shared) == len(before.program.parts) - 1


def test_the_same_contents_are_analysed_once(folder: Make) -> None:
    project = folder({"train.py": OLD, "other.py": OLD})
    tries = rehearsals(project.path)
    first = tries.of(overlay(project.path, train=NEW))
    second = tries.of(overlay(project.path, train=NEW, other=NEW))
    assert second.modules["train.py"] is first.modules["train.py"]
    same_as_afresh(tries, overlay(project.path, train=NEW, other=NEW))


@pytest.mark.parametrize(
    "text",
    [
        "from helper import engine\n" + OLD,
        "print('nothing of ours')\n",
        OLD + "def f(:\n",
        "",
    ],
)
def test_other_imports_and_broken_text(folder: Make, text: str) -> None:
    project = folder({"train.py": OLD, "helper.py": HELPER, "requirements.txt": "opacus==1.5.2\n"})
    same_as_afresh(rehearsals(project.path), overlay(project.path, train=text))


def test_a_pin_changes_what_every_run_meets(folder: Make) -> None:
    project = folder({"train.py": OLD, "other.py": OLD, "requirements.txt": "opacus==1.5.2\n"})
    tries = rehearsals(project.path)
    same_as_afresh(tries, {str(project.path.resolve() / "requirements.txt"): b"opacus==1.5.4\n"})


@pytest.mark.parametrize("fixture", fixtures(), ids=lambda f: f.name)
def test_fixtures(fixture: Fixture, tmp_path: Path) -> None:
    folder = tmp_path / fixture.name
    shutil.copytree(fixture.side("before"), folder, ignore=shutil.ignore_patterns("__pycache__"))
    contents = Folder(folder).fix(apply=False).contents
    same_as_afresh(
        rehearsals(folder), {str(folder.resolve() / path): data for path, data in contents.items()}
    )
