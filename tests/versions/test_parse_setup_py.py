"""setup.py, read and never run."""

from __future__ import annotations

import pytest

from dpmigrate.versions.parsers import parse_file
from dpmigrate.versions.pin import Pin


def pins(text: str) -> tuple[Pin, ...]:
    parsed = parse_file("setup.py", text.encode())
    assert not parsed.problems
    for pin in parsed.pins:
        if pin.span is not None:
            assert text[slice(*pin.span)] == pin.specifier
    return parsed.pins


@pytest.mark.parametrize(
    "text",
    [
        "setup(name='opacus', packages=['opacus'])\n",
        "# opacus==1.5.2\nsetup(install_requires=['torch'])\n",
        "UNUSED = ['opacus==1.5.2']\nsetup(install_requires=[])\n",
        "setup(install_requires=['opacus_lab'], keywords=['opacus'])\n",
        "setup(install_requires=open('requirements-opacus.txt').read().split())\n",
        "setup(extras_require={'opacus': ['torch']})\n",
    ],
)
def test_no_pin(text: str) -> None:
    assert pins(text) == ()


@pytest.mark.parametrize(
    "text",
    [
        "setup(install_requires=['opacus>=1.5'])\n",
        "import setuptools\nsetuptools.setup(install_requires=('torch', \"opacus>=1.5\"))\n",
        "R = ['opacus>=1.5']\nsetup(install_requires=R + ['torch'])\n",
        "R = ['torch']\nR += ['opacus>=1.5']\nsetup(install_requires=R)\n",
        "R = []\nR.append('opacus>=1.5')\nsetup(install_requires=R)\n",
        "def deps():\n    return 1\nR: list = ['opacus>=1.5']\nsetup(install_requires=list(R))\n",
        "setup(name='é', install_requires=['é', 'opacus>=1.5'])\n",
    ],
)
def test_what_reaches_install_requires(text: str) -> None:
    (pin,) = pins(text)
    assert (pin.specifier, pin.variant) == (">=1.5", "")
    assert pin.span is not None


def test_extras() -> None:
    text = "E = {'dp': ['opacus==1.5.2']}\nE['new'] = ['opacus>=1.5.4']\nsetup(extras_require=E)\n"
    assert [(p.variant, p.specifier, p.line) for p in pins(text)] == [
        ("extra 'dp'", "==1.5.2", 1),
        ("extra 'new'", ">=1.5.4", 2),
    ]


def test_names_that_go_round_in_circles() -> None:
    assert pins("a = b\nb = a\nb = ['opacus']\nsetup(install_requires=a)\n")[0].line == 3


def test_text_that_is_not_plain_is_read_but_not_edited() -> None:
    (pin,) = pins("setup(install_requires=['opacus' '>=1.5'])\n")
    assert (pin.specifier, pin.span) == (">=1.5", None)


@pytest.mark.parametrize(
    "text", ["setup(install_requires=['opacus'\n", "opacus\0", "x = " + "(" * 5000 + ")" * 5000 + " # opacus"]
)
def test_what_is_not_python_is_a_problem(text: str) -> None:
    parsed = parse_file("setup.py", text.encode())
    assert parsed.pins == ()
    assert [p.path for p in parsed.problems] == ["setup.py"]


def test_long_sums_are_read_or_reported() -> None:
    text = "setup(install_requires=" + "[] + " * 3000 + "['opacus==1.5.2'])\n"
    parsed = parse_file("setup.py", text.encode())
    assert parsed.pins or parsed.problems


def test_a_broken_requirement_is_a_problem_with_its_place() -> None:
    parsed = parse_file("setup.py", b"setup(install_requires=[\n 'opacus=>1.5'])\n")
    assert [(p.path, p.line) for p in parsed.problems] == [("setup.py", 2)]


def test_a_sum_of_literals_is_read_but_not_edited() -> None:
    (pin,) = pins("setup(install_requires=['opacus' + '>=1.6'])\n")
    assert (pin.specifier, pin.span) == (">=1.6", None)


@pytest.mark.parametrize("entry", ["'opacus' + SPEC", "f'opacus{SPEC}'", "f'opacus=={V}'", "'opacus==' + V"])
def test_text_that_is_put_together_is_a_problem(entry: str) -> None:
    parsed = parse_file("setup.py", f"setup(install_requires=['torch', {entry}])\n".encode())
    assert parsed.pins == ()
    assert len(parsed.problems) == 1
