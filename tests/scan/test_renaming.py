"""Findings follow objects, not the names of variables: renaming every local changes nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dpmigrate import api
from dpmigrate.model import ScanResult
from tests.fixtures_support import Fixture, Shape, fixtures, shapes
from tests.scan.renaming import renamed


def said(result: ScanResult) -> set[tuple[str, str, int | None, int, str]]:
    return {(f.rule, f.span.path, f.span.cell, f.span.line, f.certainty) for f in result.findings}


def rename_all(folder: Path) -> int:
    """Rename the locals of every script below a folder; how many there were."""
    total = 0
    for path in sorted(folder.rglob("*.py")):
        data = path.read_bytes()
        if b"\r" in data or data.startswith(b"\xef\xbb\xbf"):
            continue
        try:
            text, count = renamed(data.decode("utf-8"))
        except Exception as error:
            assert type(error).__name__ in ("ParserSyntaxError", "UnicodeDecodeError"), error
            continue
        path.write_bytes(text.encode("utf-8"))
        total += count
    return total


def test_of_a_function() -> None:
    text = "def f(a):\n    b = a\n    for c in b:\n        with c as d: return lambda: d\n    return g(b=b)\n"
    assert renamed(text) == (
        "def f(a):\n    {0} = a\n    for {1} in {0}:\n        with {1} as {2}: return lambda: {2}\n"
        "    return g(b={0})\n".format(*_names(renamed(text)[0])),
        3,
    )


def _names(text: str) -> list[str]:
    words = text.split()
    return [words[2], words[words.index("for") + 1], words[words.index("as") + 1].rstrip(":")]


def test_module_names_and_parameters_stay() -> None:
    text = "x = 1\ndef f(a, *, b=2):\n    return a + b + x\n"
    assert renamed(text) == (text, 0)


@pytest.mark.parametrize("fixture", [f for f in fixtures() if f.has("before")], ids=lambda f: f.name)
def test_fixture(fixture: Fixture, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(fixture.side("before"), project)
    select = fixture.expect.get("select", ())
    before = said(api.scan(["."], select=select, cwd=project))
    rename_all(project)
    assert said(api.scan(["."], select=select, cwd=project)) == before


@pytest.mark.parametrize("shape", shapes(), ids=lambda s: s.name)
def test_shape(shape: Shape, tmp_path: Path) -> None:
    shape.lay_out(tmp_path)
    before = said(api.scan(["."], opacus=shape.opacus, cwd=tmp_path))
    rename_all(tmp_path)
    assert said(api.scan(["."], opacus=shape.opacus, cwd=tmp_path)) == before


def test_there_is_something_to_rename(tmp_path: Path) -> None:
    for fixture in fixtures():
        if fixture.has("before"):
            shutil.copytree(fixture.side("before"), tmp_path / fixture.name)
    assert rename_all(tmp_path) > 200
