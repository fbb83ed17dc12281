"""The fixtures are laid out as ``fixtures/README.md`` says, and every place that they name exists."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from dpmigrate.advisories.catalogue import advisory
from tests.fixtures_figures import KINDS, LIMITS
from tests.fixtures_support import FIXTURES, Expected, Fixture, Shape, fixtures, shapes

each_fixture = pytest.mark.parametrize("fixture", fixtures(), ids=lambda fixture: fixture.name)
each_shape = pytest.mark.parametrize("shape", shapes(), ids=lambda shape: shape.name)

DEPENDENCY_FILES = {"requirements.txt", "requirements.in", "pyproject.toml", "setup.cfg", "environment.yml"}


def line_of(folder: Path, expected: Expected) -> str:
    path = folder / expected.path
    text = path.read_text(encoding="utf-8-sig")
    if expected.cell is not None:
        text = "".join(json.loads(text)["cells"][expected.cell]["source"])
    return text.splitlines()[expected.line - 1]


def points_at(rule: str, line: str) -> bool:
    """Whether the line holds one of the names that the rule's ``points-at`` has in backticks, as a whole."""
    names = re.findall(r"`(.+?)`", advisory(rule).points_at)
    return not names or any(_has(line, name) for name in names)


def _has(line: str, name: str) -> bool:
    """Whether a line holds a name that is no part of a longer one."""
    before, after = (r"(?<!\w)" * bool(re.match(r"\w", name)), r"(?!\w)" * bool(re.search(r"\w$", name)))
    return re.search(before + re.escape(name) + after, line) is not None


@each_fixture
def test_right_code_comes_with_every_fault(fixture: Fixture) -> None:
    assert fixture.has("before")
    assert fixture.has("after") or fixture.has("clean") or fixture.expect.get("withheld")
    for side in ("after", "clean"):
        assert fixture.has(side) == bool(fixture.versions(side))


@each_fixture
def test_findings_point_at_what_they_name(fixture: Fixture) -> None:
    expected = (*fixture.expected(), *fixture.expected("info"))
    assert len(set(expected)) == len(expected)
    for one in expected:
        assert points_at(one.rule, line_of(fixture.side("before"), one)), one
    for one in fixture.expected("remaining"):
        assert points_at(one.rule, line_of(fixture.side("after"), one)), one


@each_fixture
def test_a_harm_is_stated_for_releases_that_exist(fixture: Fixture) -> None:
    assert fixture.harms()
    for harm in fixture.harms():
        assert harm.opacus
        assert harm.kind in {"clipped-sum", "raises", "noise", "none", *KINDS}
        assert harm.figure in KINDS.get(harm.kind, ("",))
        assert (harm.kind in KINDS) == (harm.at_least > LIMITS.get(harm.figure, 0.0))
        assert (harm.kind == "raises") == bool(harm.error)
        assert (harm.kind == "clipped-sum") == (harm.error_at_least > 0)


@each_fixture
def test_each_side_has_a_dependency_file(fixture: Fixture) -> None:
    if fixture.entry.endswith(".ipynb"):
        return
    for side in ("before", "after", "clean"):
        if fixture.has(side):
            assert DEPENDENCY_FILES & {path.name for path in fixture.side(side).iterdir()}


@each_fixture
def test_both_sides_hold_the_same_files(fixture: Fixture) -> None:
    if fixture.has("after"):
        before, after = (
            {
                str(path.relative_to(fixture.side(side)))
                for path in fixture.side(side).rglob("*")
                if path.is_file()
            }
            for side in ("before", "after")
        )
        assert before == after


def test_a_pair_has_both_halves_and_they_differ() -> None:
    for folder in (FIXTURES / "shapes").iterdir():
        yes, no = (folder / f"{half}.py" for half in ("yes", "no"))
        assert yes.read_bytes() != no.read_bytes()


@each_shape
def test_a_half_is_python_and_says_what_it_expects(shape: Shape) -> None:
    lines = shape.path.read_text(encoding="utf-8").splitlines()
    ast.parse("\n".join(lines))
    assert any(line.startswith("# expect: ") for line in lines[:6])
    assert bool(shape.expected) == (shape.path.stem == "yes")
    SpecifierSet(shape.opacus)
    for one in shape.expected:
        assert points_at(one.rule, line_of(shape.path.parent, one)), one
