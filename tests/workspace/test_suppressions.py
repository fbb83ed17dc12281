"""Ignore comments: which findings they silence, and which of them are idle."""

from __future__ import annotations

import json

import pytest

from dpmigrate.workspace.source import from_stdin, load_source
from dpmigrate.workspace.suppressions import Suppressions, in_lines, in_python

BMM = ("DPM101", "ghost-batch-memory-manager")


def of(text: str) -> Suppressions:
    return in_python(from_stdin(text.encode()))


@pytest.mark.parametrize(
    "line",
    [
        "x = 1",
        "x = '# dpmigrate: ignore'",
        "x = 1  # dpmigrate ignore",
        "x = 1  # dpmigrate: ignored",
        "x = 1  # dpmigrate: ignore[DPM102]",
        "x = 1  # dpmigrate: ignore[]",
        "x = 1  # dpmigrate: ignore[DPM1011]",
        "y = 0  # dpmigrate: ignore\nx = 1",
    ],
)
def test_what_does_not_suppress(line: str) -> None:
    number = line.count("\n") + 1
    assert not of(line).match(*BMM, number)


@pytest.mark.parametrize(
    "comment",
    [
        "# dpmigrate: ignore",
        "#dpmigrate:ignore",
        "# dpmigrate: ignore[DPM101]",
        "# dpmigrate: ignore[dpm101] for a test",
        "# dpmigrate: ignore[DPM2, DPM1]",
        "# dpmigrate: ignore[ghost-batch-memory-manager]",
        "# noqa: E501  # dpmigrate: ignore[DPM101]",
    ],
)
def test_what_suppresses(comment: str) -> None:
    found = of(f"x = 1  {comment}\n")
    assert found.match(*BMM, 1)
    assert [u.rules for u in found.unused()] == ([("DPM2",)] if "DPM2" in comment else [])


def test_a_comment_counts_on_the_first_and_last_line_and_the_end_of_the_statement() -> None:
    text = (
        "a = f(  # dpmigrate: ignore[DPM101]\n    g(\n        1,\n"
        "    ),  # dpmigrate: ignore[DPM2]\n)  # dpmigrate: ignore[DPM3]\n"
    )
    found = of(text)
    assert found.match("DPM101", "", 1, 5)
    assert found.match("DPM201", "", 2, 4)
    assert found.match("DPM301", "", 2, 3)
    assert not found.match("DPM101", "", 2, 3)


def test_a_header_ends_with_its_own_line() -> None:
    found = of("with f(\n    1\n) as g:  # dpmigrate: ignore\n    x = 1\n    y = 2\n")
    assert found.match(*BMM, 1, 2)
    assert not found.match(*BMM, 4)


@pytest.mark.parametrize(("rules", "silenced"), [("", True), ("[DPM101]", True), ("[DPM2]", False)])
def test_a_whole_file_can_be_ignored(rules: str, silenced: bool) -> None:
    assert of(f"x = 1\n\n# dpmigrate: ignore-file{rules}\n").match(*BMM, 1) is silenced


def test_idle_comments_are_listed_with_their_place() -> None:
    found = of(
        "x = 1  # dpmigrate: ignore[DPM101, DPM201]\ny = 1  # dpmigrate: ignore\n# dpmigrate: ignore-file\n"
    )
    found.match(*BMM, 1)
    idle = found.unused()
    assert [(u.line, u.column, u.end_column, u.rules) for u in idle] == [
        (1, 8, 43, ("DPM201",)),
        (2, 8, 27, ()),
    ]


def test_text_that_the_tokenizer_refuses_midway_keeps_what_came_before() -> None:
    assert of("x = 1  # dpmigrate: ignore\ny = (").match(*BMM, 1)


def test_dependency_files_have_comments_too() -> None:
    found = in_lines(["torch", "opacus==1.5.2  # dpmigrate: ignore[DPM901]"])
    assert found.match("DPM901", "affected-pin", 2)
    assert not found.match("DPM901", "affected-pin", 1)


def test_notebook_cells_and_their_magics_are_searched() -> None:
    cells = ["x = 1\ny = 2  # dpmigrate: ignore", "!pip install opacus==1.5.2  # dpmigrate: ignore[DPM901]"]
    document = {"cells": [{"cell_type": "code", "source": cell} for cell in cells]}
    source = load_source("/p/a.ipynb", "/p", json.dumps(document).encode())
    found = in_python(source)
    assert found.match(*BMM, source.line_of(0, 2))
    assert not found.match(*BMM, source.line_of(0, 1))
    assert found.match("DPM901", "affected-pin", source.line_of(1, 1))
