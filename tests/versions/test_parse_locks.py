"""Lock files, each in the shape in which its tool writes it."""

from __future__ import annotations

import pytest

from dpmigrate.versions.parsers import parse_file
from dpmigrate.versions.releases import FAULTY_GIT, NEWER, UNKNOWN_GIT, VersionSet
from dpmigrate.versions.specifiers import parse_specifier

POETRY = """\
[[package]]
name = "numpy"
version = "1.26.4"

[[package]]
name = "opacus"
version = "{version}"
description = "Train PyTorch models with Differential Privacy"
files = [
    {{file = "opacus-{version}.tar.gz", hash = "sha256:aa"}},
]
{source}
[package.dependencies]
numpy = ">=1.15"

[[package]]
name = "torch"
version = "2.3.0"
"""
POETRY_GIT = """
[package.source]
type = "git"
url = "https://github.com/pytorch/opacus.git"
reference = "main"
resolved_reference = "36f7a34c904af228b2ec2f0e727b64fc55cbd98c"
"""
UV = """\
version = 1

[[package]]
name = "app"
version = "0.1.0"
source = { editable = "." }
dependencies = [
    { name = "opacus" },
]

[[package]]
name = "member"
version = "0.1.0"
source = { editable = "packages/member" }

[[package]]
name = "opacus"
version = "1.5.2"
source = { registry = "https://example.org/simple" }
"""
UV_GIT = """\
[[package]]
name = "opacus"
version = "1.5.2"
source = { git = "https://github.com/pytorch/opacus.git?rev=main#36f7a34c904af228b2ec2f0e727b64fc55cbd98c" }
"""
PDM_GIT = """\
[[package]]
name = "opacus"
version = "1.5.2"
git = "https://github.com/me/opacus.git"
revision = "1111111111111111111111111111111111111111"
"""
PYLOCK = """\
lock-version = "1.0"

[[packages]]
name = "opacus"
version = "1.5.4"
"""
PYLOCK_GIT = """\
[[packages]]
name = "opacus"
vcs = { type = "git", url = "https://github.com/pytorch/opacus", commit-id = "36f7a34c904af228" }
"""
PIPENV = """\
{
    "default": {
        "opacus": {
            "hashes": [
                "sha256:aa"
            ],
            "version": "==1.5.2"
        },
        "torch": {
            "version": "==2.3.0"
        }
    }
}
"""
PIPENV_GIT = """\
{
    "default": {
        "opacus": {
            "git": "https://github.com/pytorch/opacus.git",
            "ref": "36f7a34c904af228b2ec2f0e727b64fc55cbd98c"
        }
    }
}
"""
CONDA_LOCK = """\
package:
- name: numpy
  version: 1.26.4
- name: opacus
  version: 1.5.2
  manager: conda
"""
PIXI = """\
version: 6
packages:
- pypi: https://files.example/ab/cd/opacus-1.5.2-py3-none-any.whl
  name: opacus
  version: 1.5.2
  sha256: ab
"""
PIXI_CONDA = """\
packages:
- conda: https://conda.example/conda-forge/noarch/opacus-1.5.2-pyhd8ed1ab_0.conda
  sha256: ab
"""


def test_opacus_only_as_a_dependency_of_others_is_no_entry() -> None:
    text = '[[package]]\nname = "x"\ndependencies = [\n    { name = "opacus", version = "1.5" },\n]\n'
    assert parse_file("uv.lock", text.encode()).pins == ()


def test_other_packages_versions_are_not_opacus() -> None:
    text = '[[package]]\nname = "opacus-lab"\nversion = "1.5.2"\n'
    assert parse_file("poetry.lock", text.encode()).pins == ()


@pytest.mark.parametrize(
    ("path", "text", "line", "versions", "tool"),
    [
        ("poetry.lock", POETRY.format(version="1.5.2", source=""), 6, parse_specifier("==1.5.2"), "poetry"),
        ("poetry.lock", POETRY.format(version="1.9", source=""), 6, VersionSet.of([NEWER]), "poetry"),
        ("poetry.lock", POETRY.format(version="1.5.2.dev1", source=""), 6, UNKNOWN_GIT, "poetry"),
        ("poetry.lock", POETRY.format(version="1.5.2", source=POETRY_GIT), 6, FAULTY_GIT, "poetry"),
        ("uv.lock", UV_GIT, 2, FAULTY_GIT, "uv"),
        ("pdm.lock", PDM_GIT, 2, UNKNOWN_GIT, "pdm"),
        ("pylock.toml", PYLOCK, 4, parse_specifier("==1.5.4"), "pylock"),
        ("pylock.dev.toml", PYLOCK_GIT, 2, FAULTY_GIT, "pylock"),
        ("Pipfile.lock", PIPENV, 3, parse_specifier("==1.5.2"), "pipenv"),
        ("Pipfile.lock", PIPENV_GIT, 3, FAULTY_GIT, "pipenv"),
        ("conda-lock.yml", CONDA_LOCK, 4, parse_specifier("==1.5.2"), "conda-lock"),
        ("pixi.lock", PIXI, 4, parse_specifier("==1.5.2"), "pixi"),
        ("pixi.lock", PIXI_CONDA, 2, parse_specifier("==1.5.2"), "pixi"),
    ],
)
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_locked(path: str, text: str, line: int, versions: VersionSet, tool: str, ending: str) -> None:
    (pin,) = parse_file(path, text.replace("\n", ending).encode()).pins
    assert (pin.line, pin.versions, pin.tool, pin.kind, pin.span) == (line, versions, tool, "lock", None)


def test_a_workspace_lock_holds_for_its_members() -> None:
    pins = parse_file("work/uv.lock", UV.encode()).pins
    assert [pin.environment for pin in pins] == ["work#project", "work/packages/member#project"]
    assert {(pin.line, pin.versions.spec()) for pin in pins} == {(17, "==1.5.2")}


def test_a_lock_may_hold_several_versions() -> None:
    text = POETRY.format(version="1.5.2", source="") + POETRY.format(version="1.5.4", source="")
    assert [pin.specifier for pin in parse_file("poetry.lock", text.encode()).pins] == ["==1.5.2", "==1.5.4"]


def test_a_merge_conflict_is_a_problem() -> None:
    text = UV + '<<<<<<< HEAD\nversion = "1"\n=======\n>>>>>>> other\n'
    parsed = parse_file("uv.lock", text.encode())
    assert [(p.line, p.reason) for p in parsed.problems] == [(20, "unresolved merge conflict")]


def test_a_private_build_is_called_by_its_version() -> None:
    pin = parse_file("poetry.lock", POETRY.format(version="1.5.4.post13", source="").encode()).pins[0]
    assert pin.versions == UNKNOWN_GIT
    assert pin.versions.spec() == "==1.5.4.post13"


@pytest.mark.parametrize("version", ["no version", "9" * 5_000])
def test_what_no_version_is_called_like_is_a_build_of_its_own(version: str) -> None:
    (pin,) = parse_file("uv.lock", f'[[package]]\nname = "opacus"\nversion = "{version}"\n'.encode()).pins
    assert pin.versions == UNKNOWN_GIT
