"""setup.cfg."""

from __future__ import annotations

import pytest

from dpmigrate.versions.parsers import parse_file
from dpmigrate.versions.pin import Pin


def pins(text: str) -> tuple[Pin, ...]:
    parsed = parse_file("setup.cfg", text.encode())
    assert not parsed.problems
    for pin in parsed.pins:
        assert pin.span is not None
        assert text[slice(*pin.span)] == pin.specifier
    return parsed.pins


@pytest.mark.parametrize(
    "text",
    [
        "[metadata]\nname = opacus\n",
        "[options]\ninstall_requires =\n    torch>=2 # min due to opacus\n",
        "[options]\npackages =\n    opacus\n",
        "[options]\n# opacus==1.5.2\ninstall_requires =\n    # opacus==1.5.2\n    torch\n",
        "[other]\ninstall_requires =\n    opacus\n",
        "[mypy-opacus.*]\nignore_missing_imports = true\n",
    ],
)
def test_no_pin(text: str) -> None:
    assert pins(text) == ()


def test_a_list_with_comments_behind_the_specifier() -> None:
    text = (
        "[options]\ninstall_requires =\n    torch>=2.1, <2.3 # min due to opacus\n\n"
        "    opacus>=1.3, <1.5.4 # 1.5.4 fails\npython_requires = >=3.9\n"
    )
    (pin,) = pins(text)
    assert (pin.line, pin.text, pin.variant) == (5, "opacus>=1.3, <1.5.4", "")
    assert pin.versions.spec() == ">=1.3.0,<1.5.4"


def test_extras_and_markers() -> None:
    text = "[options.extras_require]\r\ndp =\r\n\topacus==1.5.2; python_version<'3.9'\r\n"
    text += "all = torch; opacus~=1.5\r\n"
    first, second = pins(text)
    assert (first.variant, first.marker) == ("extra dp; python_version<'3.9'", "python_version<'3.9'")
    assert (second.line, second.variant, second.specifier) == (4, "extra all", "~=1.5")


def test_a_git_requirement() -> None:
    (pin,) = parse_file(
        "setup.cfg",
        b"[options]\ninstall_requires =\n  opacus @ git+https://github.com/pytorch/opacus@v1.5.2\n",
    ).pins
    assert (pin.git, pin.versions.spec()) == ("v1.5.2", "==1.5.2")


def test_a_broken_requirement_is_a_problem_with_its_place() -> None:
    parsed = parse_file("setup.cfg", b"[options]\ninstall_requires =\n  torch\n  opacus=>1.5\n")
    assert [(p.path, p.line) for p in parsed.problems] == [("setup.cfg", 4)]
