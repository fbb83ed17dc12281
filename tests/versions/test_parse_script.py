"""Inline metadata of scripts (PEP 723)."""

from __future__ import annotations

import pytest

from dpmigrate.versions.edit import Edit, apply_edits, plan_raise
from dpmigrate.versions.parsers import script
from dpmigrate.versions.project import load_declarations

BLOCK = """#!/usr/bin/env -S uv run
# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "torch",
#   "opacus==1.5.2",  # as published
# ]
#
# [tool.uv]
# exclude-newer = "2025-01-01T00:00:00Z"
# ///
import opacus
"""


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_dependency_is_a_pin_where_it_stands(end: str) -> None:
    text = BLOCK.replace("\n", end)
    (pin,) = script.parse("train.py", text).pins
    assert (pin.line, pin.text, pin.kind, pin.versions.spec()) == (6, "opacus==1.5.2", "script", "==1.5.2")
    edit = plan_raise(pin)
    assert isinstance(edit, Edit)
    assert apply_edits(text, [edit]) == text.replace("1.5.2", "1.5.4")


@pytest.mark.parametrize(
    "text",
    [
        BLOCK.replace("# /// script", "# /// notebook"),
        BLOCK.replace("# ///\nimport", "import"),
        BLOCK.replace("dependencies", "others"),
        BLOCK.replace('"opacus==1.5.2"', '"opacus-lab==1.5.2"'),
        'TEXT = """\n' + BLOCK.replace("# ", "  # ") + '"""\n',
        "import opacus\n",
    ],
)
def test_what_is_no_metadata_is_no_pin(text: str) -> None:
    parsed = script.parse("train.py", text)
    assert (parsed.pins, parsed.problems) == ((), ())


@pytest.mark.parametrize(
    ("was", "now", "line"), [('"torch",', '"torch', 5), ("opacus==1.5.2", "opacus=>1.5.2", 6)]
)
def test_broken_metadata_is_told_with_its_line(was: str, now: str, line: int) -> None:
    (problem,) = script.parse("train.py", BLOCK.replace(was, now)).problems
    assert (problem.path, problem.line) == ("train.py", line)


def test_a_script_is_governed_by_its_own_metadata_alone() -> None:
    declarations, _ = load_declarations(
        [("requirements.txt", b"opacus==1.6.0\n")], scripts=[("train.py", BLOCK)]
    )
    assert declarations.declared_for("train.py").versions.spec() == "==1.5.2"
    assert declarations.declared_for("other.py").versions.spec() == "==1.6.0"
