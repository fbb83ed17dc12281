"""One long line of a dependency file or a notebook costs what its bytes cost, whatever it repeats."""

from __future__ import annotations

import json
import time

import pytest

from dpmigrate.versions.parsers import parse_file
from dpmigrate.versions.parsers.notebook import parse_cells
from dpmigrate.workspace.source import load_source
from tests.costs import allowed

SECONDS = 5
HEADS = {
    "requirements.txt": "opacus",
    "setup.cfg": "[options]\ninstall_requires =\n  opacus>=1.5\nopacus",
    "pyproject.toml": "[project]\ndependencies = ['opacus>=1.5",
    "environment.yml": "dependencies:\n  - opacus",
    "setup.py": "x = 'opacus",
    "Pipfile": "[packages]\nopacus = ",
}
REPEATED = (
    " ",
    "\t",
    "-",
    "=",
    "[",
    "'",
    "a",
    "opacus ",
    "/",
    "@",
    "::",
    "github.com:",
    "/@",
    "==1,",
    " # ",
    ";",
)


@pytest.mark.parametrize("path", HEADS)
def test_a_long_line_of_a_dependency_file(path: str) -> None:
    for joint in ("", " @ git+https://github.com/", " @ "):
        for unit in REPEATED:
            start = time.process_time()
            parse_file(path, f"{HEADS[path]}{joint}{unit * (100_000 // len(unit))}\nopacus==1.5.2\n".encode())
            assert time.process_time() - start < allowed(SECONDS), (joint, unit)


@pytest.mark.parametrize(
    "unit", ["pip ", "pip install ", "pip #", "pip.", "uv\t", "!", "conda -", "'", "\\\n"]
)
def test_a_long_command_of_a_notebook(unit: str) -> None:
    cell = {"cell_type": "code", "source": f"!pip {unit * (30_000 // len(unit))}\nimport opacus\n"}
    start = time.process_time()
    source = load_source("n.ipynb", "/", json.dumps({"cells": [cell], "nbformat": 4}).encode())
    parse_cells("n.ipynb", [(line.cell, line.text) for line in source.install_lines()])
    assert time.process_time() - start < allowed(SECONDS)
