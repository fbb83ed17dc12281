"""environment.yml."""

from __future__ import annotations

import pytest

from dpmigrate.versions.parsers import parse_file
from dpmigrate.versions.pin import Pin
from dpmigrate.versions.releases import FAULTY_GIT


def pins(text: str) -> tuple[Pin, ...]:
    parsed = parse_file("environment.yml", text.encode())
    assert not parsed.problems
    return parsed.pins


@pytest.mark.parametrize(
    "text",
    [
        "name: opacus\nchannels:\n  - conda-forge\ndependencies:\n  - python=3.10\n",
        "dependencies:\n  # - opacus=1.5\n  - torch # for opacus\n",
        "dependencies:\n  - opacus-lab=1.5\n",
        "jobs:\n  test:\n    steps:\n      - run: pip install opacus==1.5.2\n",
        "channels:\n  - opacus\n",
    ],
)
def test_no_pin(text: str) -> None:
    assert pins(text) == ()


@pytest.mark.parametrize(
    ("item", "spec"),
    [
        ("opacus", None),
        ("opacus=1.5", ">=1.5,<1.6.0"),
        ("opacus=1.5.2", "==1.5.2"),
        ("opacus==1.5.2", "==1.5.2"),
        ("opacus=1.5.2=pyhd8ed1ab_0", "==1.5.2"),
        ("opacus 1.5.2 pyhd8ed1ab_0", "==1.5.2"),
        ("opacus >=1.4,<1.5.3", ">=1.4.0,<1.5.3"),
        ("conda-forge::opacus>=1.5  # why", ">=1.5"),
        ("'opacus>=1.5'", ">=1.5"),
        ("\"opacus[version='>=1.5']\"", ">=1.5"),
    ],
)
def test_conda_dependencies(item: str, spec: str | None) -> None:
    (pin,) = pins(f"name: x\ndependencies:\n  - python=3.10\n  - {item}\nprefix: /x\n")
    assert (pin.line, pin.dialect, pin.versions.spec()) == (4, "conda", spec)


def test_the_pip_list() -> None:
    text = (
        "dependencies:\r\n- pip\r\n- pip:\r\n  - torch\r\n  - opacus==1.5.2; python_version<'3.9'\r\n"
        "  - -r requirements.txt\r\n- numpy\r\n"
    )
    parsed = parse_file("envs/environment.yml", text.encode())
    (pin,) = parsed.pins
    assert (pin.dialect, pin.line, pin.marker) == ("pep440", 5, "python_version<'3.9'")
    assert pin.span is not None
    assert text[slice(*pin.span)] == "==1.5.2"
    assert [include.path for include in parsed.includes] == ["envs/requirements.txt"]


def test_after_the_pip_list_conda_rules_again() -> None:
    (pin,) = pins("dependencies:\n  - pip:\n      - torch\n  - opacus=1.5\n")
    assert pin.dialect == "conda"


def test_git_in_the_pip_list() -> None:
    (pin,) = pins("dependencies:\n  - pip:\n    - git+https://github.com/pytorch/opacus@36f7a34c\n")
    assert pin.versions == FAULTY_GIT


@pytest.mark.parametrize("item", ["opacus=>1.5", "opacus>=", "pip:\n    - opacus=>1.5"])
def test_problems_have_their_place(item: str) -> None:
    parsed = parse_file("env.yml", f"dependencies:\n  - {item}\n".encode())
    assert parsed.pins == ()
    assert [problem.line for problem in parsed.problems] == [2 + item.count("\n")]
