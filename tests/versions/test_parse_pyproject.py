"""pyproject.toml in all its dialects."""

from __future__ import annotations

import re

import pytest

from dpmigrate.versions.parsers import parse_file
from dpmigrate.versions.pin import Pin
from dpmigrate.versions.releases import FAULTY_GIT, UNKNOWN_GIT
from dpmigrate.versions.specifiers import parse_specifier


def pins(text: str) -> tuple[Pin, ...]:
    parsed = parse_file("pkg/pyproject.toml", text.encode())
    assert not parsed.problems
    for pin in parsed.pins:
        if pin.span is not None:
            assert text[slice(*pin.span)] == pin.specifier
    return parsed.pins


@pytest.mark.parametrize(
    "text",
    [
        '[project]\nname = "opacus"\nversion = "1.5.2"\n',
        '[project]\nkeywords = ["opacus"]\n',
        '[project]\ndependencies = ["opacus-lab>=1"]\n',
        '# opacus==1.5.2\n[project]\ndependencies = ["torch"]\n',
        '[tool.ruff]\nexclude = ["opacus"]\n',
        '[tool.poetry.dependencies]\nopacus-lab = "^1.5"\n',
        '[[tool.mypy.overrides]]\nmodule = ["opacus.*"]\n',
        '[tool.uv.sources]\nopacus = { index = "torch" }\n',
    ],
)
def test_no_pin(text: str) -> None:
    assert pins(text) == ()


def test_project_dependencies_and_extras() -> None:
    text = (
        "[project]\ndependencies = [\n  'torch',\n  \"opacus[x]>=1.5 ; python_version<'3.13'\", # why\n]\n"
        '[project.optional-dependencies]\ndp = ["opacus==1.5.2"]\n'
    )
    first, second = pins(text)
    assert (first.line, first.specifier, first.marker) == (4, ">=1.5", "python_version<'3.13'")
    assert (second.line, second.specifier, second.variant) == (7, "==1.5.2", "extra dp")
    assert first.environment == second.environment == "pkg#project"


@pytest.mark.parametrize(
    "table",
    [
        '[dependency-groups]\ndev = ["opacus==1.5.2"]\n',
        '[tool.pdm.dev-dependencies]\ndev = ["opacus==1.5.2"]\n',
        '[tool.uv]\ndev-dependencies = ["opacus==1.5.2"]\n',
        '[tool.poetry.dev-dependencies]\nopacus = "1.5.2"\n',
        '[tool.poetry.group.dev.dependencies]\nopacus = { version = "1.5.2" }\n',
    ],
)
def test_groups(table: str) -> None:
    (pin,) = pins(table)
    assert pin.versions == parse_specifier("==1.5.2")
    assert pin.variant == "group dev"


def test_hatch_environments() -> None:
    (pin,) = pins('[tool.hatch.envs.test]\nextra-dependencies = ["opacus==1.5.2"]\n')
    assert pin.variant == "environment test"


def test_a_group_brings_in_what_it_includes() -> None:
    text = (
        '[dependency-groups]\ndp = ["opacus>=1.5"]\nmid = [{include-group = "dp"}]\n'
        'dev = ["opacus<1.6", {include-group = "mid"}]\n'
    )
    assert sorted((p.variant, p.specifier) for p in pins(text)) == [
        ("group dev", "<1.6"),
        ("group dev", ">=1.5"),
        ("group dp", ">=1.5"),
        ("group mid", ">=1.5"),
    ]


def test_groups_that_include_each_other() -> None:
    text = '[dependency-groups]\na = ["opacus", {include-group = "b"}]\nb = [{include-group = "a"}]\n'
    assert sorted(p.variant for p in pins(text)) == ["group a", "group b"]


@pytest.mark.parametrize(
    ("entry", "spec"),
    [
        ('opacus = "^1.3.0"', ">=1.3.0"),
        ('opacus = "*"', None),
        ('Opacus = "~1.5"', ">=1.5,<1.6.0"),
        ('opacus = {version = "^1.5", optional = true}', ">=1.5"),
        ('opacus.version = "1.5.2"', "==1.5.2"),
        ('"opacus" = ">=1.4,<1.5.3"', ">=1.4.0,<1.5.3"),
    ],
)
def test_poetry(entry: str, spec: str | None) -> None:
    (pin,) = pins(f"[tool.poetry.dependencies]\npython = '^3.10'\n{entry}\n")
    assert (pin.kind, pin.line, pin.versions.spec()) == ("poetry", 3, spec)
    assert pin.span is not None


def test_poetry_table_and_markers() -> None:
    text = (
        '[tool.poetry.dependencies.opacus]\nversion = "^1.5"\n'
        '[tool.poetry.group.old.dependencies]\nopacus = [\n {version = "1.5.2", python = "<3.9"},\n'
        ' {version = "1.5.4", markers = "python_version >= \'3.9\'"},\n]\n'
    )
    main, old, new = pins(text)
    assert (main.line, main.variant) == (2, "")
    assert (old.line, old.variant) == (5, "group old; <3.9")
    assert (new.line, new.marker) == (6, "python_version >= '3.9'")


@pytest.mark.parametrize(
    ("entry", "versions"),
    [
        ('{git = "https://github.com/pytorch/opacus.git"}', UNKNOWN_GIT),
        ('{git = "https://github.com/pytorch/opacus.git", tag = "v1.5.2"}', parse_specifier("==1.5.2")),
        ('{git = "https://github.com/pytorch/opacus", rev = "36f7a34c"}', FAULTY_GIT),
        ('{git = "https://github.com/me/opacus", branch = "dp"}', UNKNOWN_GIT),
        ('{path = "../opacus"}', UNKNOWN_GIT),
        ('{url = "https://example.org/opacus-1.5.2.tar.gz"}', parse_specifier("==1.5.2")),
    ],
)
@pytest.mark.parametrize("table", ["tool.poetry.dependencies", "tool.uv.sources"])
def test_git_path_and_url(table: str, entry: str, versions: object) -> None:
    (pin,) = pins(f"[{table}]\nopacus = {entry}\n")
    assert pin.versions == versions
    assert pin.git is not None
    assert pin.span is None


def test_pixi_uses_condas_dialect() -> None:
    (pin,) = pins('[tool.pixi.dependencies]\nopacus = "=1.5"\n')
    assert pin.versions == parse_specifier("==1.5.*")


def test_escaped_text_is_read_but_not_edited() -> None:
    (pin,) = pins('[project]\ndependencies = ["opacus\\u003e=1.5"]\n')
    assert pin.versions == parse_specifier(">=1.5")
    assert pin.span is None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[project]\ndependencies = ["opacus=>1.5"]\n', 2),
        ('[tool.poetry.dependencies]\npython = "3"\nopacus = "about 1.5"\n', 3),
        ('[project\ndependencies = ["opacus"]\n', 1),
    ],
)
def test_problems_have_their_place(text: str, line: int) -> None:
    parsed = parse_file("pyproject.toml", text.encode())
    assert parsed.pins == ()
    assert [problem.line for problem in parsed.problems] == [line]


def test_line_ends_do_not_move_offsets() -> None:
    (pin,) = pins('[project]\r\ndependencies = [\r\n  "torch",\r\n  "opacus>=1.5",\r\n]\r\n')
    assert pin.line == 4


def test_pixi_toml_and_its_features() -> None:
    text = (
        '[dependencies]\nopacus = ">=1.5"\n[pypi-dependencies]\nopacus = "==1.5.2"\n'
        '[feature.gpu.pypi-dependencies]\nopacus = { version = "==1.5.4" }\n'
    )
    found = [(p.specifier, p.dialect, p.variant) for p in parse_file("pixi.toml", text.encode()).pins]
    assert found == [
        (">=1.5", "conda", ""),
        ("==1.5.2", "pep440", ""),
        ("==1.5.4", "pep440", "feature gpu"),
    ]
    below_tool = re.sub(r"(?m)^\[", "[tool.pixi.", text)
    assert [p.specifier for p in parse_file("pyproject.toml", below_tool.encode()).pins] == [
        row[0] for row in found
    ]
    assert parse_file("pyproject.toml", text.encode()).pins == ()
