"""Pipfile."""

from __future__ import annotations

import pytest

from dpmigrate.versions.parsers import parse_file
from dpmigrate.versions.pin import Pin
from dpmigrate.versions.releases import FAULTY_GIT
from dpmigrate.versions.specifiers import parse_specifier


def pins(text: str) -> tuple[Pin, ...]:
    parsed = parse_file("Pipfile", text.encode())
    assert not parsed.problems
    return parsed.pins


@pytest.mark.parametrize(
    "text", ['[packages]\ntorch = "*" # opacus\n', '[scripts]\nopacus = "python x.py"\n']
)
def test_no_pin(text: str) -> None:
    assert pins(text) == ()


def test_packages_and_dev_packages() -> None:
    text = '[packages]\nopacus = "==1.5.2"\n[dev-packages]\nOpacus = {version = "*", extras = ["x"]}\n'
    first, second = pins(text)
    assert (first.line, first.versions, first.variant) == (2, parse_specifier("==1.5.2"), "")
    assert (second.line, second.specifier, second.variant) == (4, "*", "group dev-packages")
    assert first.environment == "#pipenv"


def test_git() -> None:
    (pin,) = pins('[packages]\nopacus = {git = "https://github.com/pytorch/opacus.git", ref = "36f7a34c"}\n')
    assert (pin.versions, pin.git, pin.span) == (FAULTY_GIT, "36f7a34c", None)


@pytest.mark.parametrize("text", ['[packages\nopacus = "*"\n', '[packages]\nopacus = "=>1"\n'])
def test_problems(text: str) -> None:
    assert parse_file("Pipfile", text.encode()).problems
