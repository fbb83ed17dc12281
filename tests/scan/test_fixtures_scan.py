"""Every fixture and every half of every shape is scanned, and says exactly what it should."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from dpmigrate import api
from dpmigrate.model import ScanResult
from dpmigrate.report import render
from dpmigrate.report.style import Style
from tests.fixtures_support import Fixture, Shape, fixtures, shapes
from tests.report.test_json import SCHEMA


def said(result: ScanResult) -> set[tuple[str, str, int | None, int, str]]:
    return {(f.rule, f.span.path, f.span.cell, f.span.line, f.certainty) for f in result.findings}


def assert_in_schema(result: ScanResult) -> None:
    Draft202012Validator(SCHEMA).validate(json.loads(render("json", result, Style())))


HALVES = [(f, side) for side in ("clean", "after", "before") for f in fixtures() if f.has(side)]


@pytest.mark.parametrize(("fixture", "side"), HALVES, ids=[f"{f.name}-{side}" for f, side in HALVES])
def test_fixture(fixture: Fixture, side: str, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(fixture.side(side), project)
    tables = ("finding", "info") if side == "before" else ("remaining",)
    wanted = {(e.rule, e.path, e.cell, e.line, e.certainty) for t in tables for e in fixture.expected(t)}
    result = api.scan(["."], select=fixture.expect.get("select", ()), cwd=project)
    assert_in_schema(result)
    listed = {(n.path, n.line) for n in result.not_analysed}
    assert said(result) == wanted
    expected_failures = {(n["path"], n["line"]) for n in fixture.expect.get("not_analysed", ())}
    assert listed == (expected_failures if side == "before" else set())


@pytest.mark.parametrize("shape", shapes(), ids=lambda s: s.name)
def test_shape(shape: Shape, tmp_path: Path) -> None:
    shape.lay_out(tmp_path)
    result = api.scan(["."], opacus=shape.opacus, cwd=tmp_path)
    assert_in_schema(result)
    wanted = {(e.rule, e.path, None, e.line, e.certainty) for e in shape.expected}
    infos = {f.rule for f in result.findings if f.severity == "info"}
    assert {f for f in said(result) if f[0] not in infos or f in wanted} == wanted
