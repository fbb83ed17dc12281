"""``fix --apply`` turns ``before/`` of every fixture into ``after/``, byte for byte, once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dpmigrate.fixing import fix
from tests.fix.conftest import Folder
from tests.fixtures_support import Fixture, fixtures

ALL = fixtures()


def copied(fixture: Fixture, side: str, tmp_path: Path) -> Folder:
    folder = tmp_path / fixture.name
    shutil.copytree(fixture.side(side), folder, ignore=shutil.ignore_patterns("__pycache__"))
    return Folder(folder)


def side_of(fixture: Fixture, side: str) -> dict[str, bytes]:
    return Folder(fixture.side(side)).snapshot() if fixture.has(side) else {}


def without_caches(files: dict[str, bytes]) -> dict[str, bytes]:
    return {name: data for name, data in files.items() if "__pycache__" not in name}


@pytest.mark.parametrize("fixture", [f for f in ALL if f.has("clean")], ids=lambda f: f.name)
def test_clean_code_is_left_alone(fixture: Fixture, tmp_path: Path) -> None:
    project = copied(fixture, "clean", tmp_path)
    before = project.snapshot()
    result = fix(["."], apply=True, cwd=project.path)
    assert (result.diff, result.applied, result.refused) == ("", (), ())
    assert project.snapshot() == before


@pytest.mark.parametrize("fixture", [f for f in ALL if f.expect.get("withheld")], ids=lambda f: f.name)
def test_what_is_withheld_is_left_alone_and_said(fixture: Fixture, tmp_path: Path) -> None:
    project = copied(fixture, "before", tmp_path)
    before = project.snapshot()
    result = fix(["."], apply=True, cwd=project.path)
    assert result.refused and not result.applied
    assert project.snapshot() == before


@pytest.mark.parametrize("fixture", [f for f in ALL if f.has("after")], ids=lambda f: f.name)
def test_fix_makes_the_after_side_and_then_nothing(fixture: Fixture, tmp_path: Path) -> None:
    project = copied(fixture, "before", tmp_path)
    untouched = project.snapshot()
    unsafe = "--unsafe" in fixture.expect.get("fix_args", ())
    shown = fix(["."], cwd=project.path, unsafe=unsafe)
    assert project.snapshot() == untouched
    result = fix(["."], apply=True, cwd=project.path, unsafe=unsafe)
    assert result.diff == shown.diff
    assert project.snapshot() == without_caches(side_of(fixture, "after"))
    again = fix(["."], apply=True, cwd=project.path, unsafe=unsafe)
    assert (again.diff, again.applied) == ("", ())
