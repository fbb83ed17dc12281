"""METADATA and PKG-INFO of built packages."""

from __future__ import annotations

import pytest

from dpmigrate.versions.edit import Refusal, plan_raise
from dpmigrate.versions.parsers import parse_file
from dpmigrate.versions.project import load_declarations
from dpmigrate.versions.releases import everything
from dpmigrate.versions.specifiers import parse_specifier

HEAD = "Metadata-Version: 2.1\nName: dp-thing\nVersion: 1.0\n"
WHEEL = "dp_thing-1.0.dist-info/METADATA"


@pytest.mark.parametrize(
    "text",
    [
        "Name: opacus\nVersion: 1.5.2\n",
        HEAD + "Requires-Dist: opacus-lab>=1\n",
        HEAD + "Summary: needs Requires-Dist: opacus==1.5.2\n",
        HEAD + "\nRequires-Dist: opacus==1.5.2\n",
        HEAD + "Requires-Dist: torch\r\n\r\nRequires-Dist: opacus==1.5.2\r\n",
    ],
)
def test_what_is_no_requirement(text: str) -> None:
    assert parse_file(WHEEL, text.encode()).pins == ()


@pytest.mark.parametrize(
    ("line", "specifier", "variant"),
    [
        ("opacus==1.5.2", "==1.5.2", ""),
        ("opacus (>=1.4,<1.5.3)", ">=1.4,<1.5.3", ""),
        ("opacus<1.6,>=1.5; extra == 'dp'", "<1.6,>=1.5", "; extra == 'dp'"),
        ("opacus", "", ""),
    ],
)
@pytest.mark.parametrize("path", [WHEEL, "PKG-INFO"])
def test_requirements(path: str, line: str, specifier: str, variant: str) -> None:
    parsed = parse_file(path, f"{HEAD}Requires-Dist: {line}\nLicense: MIT\n".encode())
    (pin,) = parsed.pins
    assert (pin.line, pin.specifier.replace(" ", ""), pin.variant) == (4, specifier, variant)
    assert pin.versions == (parse_specifier(specifier) if specifier else everything())


def test_it_governs_what_was_unpacked_beside_it_and_is_never_edited() -> None:
    data = f"{HEAD}Requires-Dist: opacus==1.5.2\n".encode()
    declarations, problems = load_declarations([(f"out/{WHEEL}", data)])
    declared = declarations.declared_for("out/dp_thing/train.py")
    assert (declared.versions, problems) == (parse_specifier("==1.5.2"), [])
    planned = plan_raise(declared.pins[0])
    assert isinstance(planned, Refusal)
    assert "written by its build" in planned.reason


def test_the_files_that_it_was_built_from_say_it_better() -> None:
    built = ("PKG-INFO", f"{HEAD}Requires-Dist: opacus==1.5.2\n".encode())
    own = ("pyproject.toml", b'[project]\ndependencies = ["opacus>=1.5.4"]\n')
    declarations, _ = load_declarations([built, own])
    assert [pin.path for pin in declarations.declared_for("train.py").pins] == ["pyproject.toml"]
