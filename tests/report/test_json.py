"""``--format json``: schema 1 of the contract, byte for byte the same for the same result."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from dpmigrate.model import ScanResult, Span
from dpmigrate.report import render
from dpmigrate.report.style import Style

SCHEMA = json.loads((Path(__file__).parent / "schema.json").read_text(encoding="utf-8"))


def document(result: ScanResult) -> Any:
    return json.loads(render("json", result, Style()))


def test_no_finding_is_a_whole_document(empty: ScanResult) -> None:
    assert document(empty) == {
        "schema": 1,
        "dpmigrate": "0.1.0",
        "root": ".",
        "files": {
            "seen": 3,
            "analysed": 0,
            "not_analysed": [],
            "analysed_paths": [],
            "warnings": [],
            "cut_short": [],
        },
        "runs": [],
        "findings": [],
        "suppressed": [],
        "elsewhere": [],
    }


def test_colour_and_width_change_nothing(result: ScanResult) -> None:
    plain = render("json", result, Style())
    assert render("json", result, Style(colour=True, width=40, runs=True)) == plain


def test_it_has_the_form_of_the_schema(result: ScanResult, empty: ScanResult) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    for given in (result, empty):
        Draft202012Validator(SCHEMA).validate(document(given))


def test_findings_are_sorted_and_point_at_their_runs(result: ScanResult) -> None:
    found = document(result)
    assert [(f["path"], f["line"], f["rule"]) for f in found["findings"]] == [
        ("study.ipynb", 1, "DPM203"),
        ("train.py", 5, "DPM101"),
        ("train.py", 7, "DPM103"),
    ]
    assert [run["path"] for run in found["runs"]] == ["baseline.py", "train.py"]
    assert [f["run"] for f in found["findings"]] == [None, 1, 1]
    assert found["runs"][1]["mode"] == ["?", "ghost"]


@pytest.mark.parametrize("cell", [0, 10])
def test_cells_sort_as_numbers_before_lines(result: ScanResult, cell: int) -> None:
    first = result.findings[2]._replace(span=Span("study.ipynb", 9, 1, 9, 2, cell=1))
    other = result.findings[2]._replace(span=Span("study.ipynb", 1, 1, 1, 2, cell=cell))
    cells = [f["cell"] for f in document(result._replace(findings=(first, other)))["findings"]]
    assert cells == sorted([1, cell])


def test_the_order_of_discovery_does_not_show(result: ScanResult) -> None:
    shuffled = result._replace(
        runs=result.runs[::-1],
        findings=tuple(f._replace(run=None if f.run is None else 1 - f.run) for f in result.findings[::-1]),
    )
    assert render("json", shuffled, Style()) == render("json", result, Style())


def test_any_path_is_ascii_json_with_one_newline_at_the_end(result: ScanResult) -> None:
    odd = result.findings[0]._replace(span=Span("日本/\udcff.py", 1, 1, 1, 2))
    text = render("json", result._replace(findings=(odd,)), Style())
    assert text.isascii()
    assert text.endswith("}\n")
    assert json.loads(text)["findings"][0]["path"] == "日本/\udcff.py"
