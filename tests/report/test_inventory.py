"""The inventory in each of its formats, and what counts as a difference from a record."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from dpmigrate.model import Run, ScanResult, Setting
from dpmigrate.report.inventory import FORMATS, render
from dpmigrate.report.inventory.comparing import RecordError, differences, recorded_runs
from dpmigrate.report.run_columns import COLUMNS, setting_words
from dpmigrate.report.style import Style

SCHEMA = json.loads((Path(__file__).parent / "schema.json").read_text(encoding="utf-8"))


def of_runs(*runs: Run) -> ScanResult:
    return ScanResult(root=".", files_seen=1, files_analysed=1, runs=runs)


def a_run(path: str = "train.py", line: int = 4, **fields: Any) -> Run:
    given = {"mode": ("ghost",), "noise_multiplier": 1.1, "max_grad_norm": 1.0, "accountant": "prv", **fields}
    return Run(path, line, None, "make_private", mode_certainty="definite", **given)


def record(*runs: Run) -> list[Any]:
    return list(recorded_runs(render("json", of_runs(*runs), Style())))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "-"),
        ("?", "?"),
        (1.0, "1"),
        (1e-05, "1e-05"),
        (1.23456789, "1.23456789"),
        (True, "yes"),
        (("?", "prv"), "prv or ?"),
        ((1.1, "?"), "1.1 or ?"),
        ("\x1b[31m", "␛[31m"),
    ],
)
def test_settings_in_words(value: Setting, words: str) -> None:
    assert setting_words(value) == words


@pytest.mark.parametrize("name", list(FORMATS))
def test_no_run_is_said_in_every_format(name: str, empty: ScanResult) -> None:
    text = render(name, empty, Style())
    assert text.endswith("\n")
    assert "train.py" not in text


@pytest.mark.parametrize("name", list(FORMATS))
def test_every_run_is_in_every_format(name: str, result: ScanResult) -> None:
    text = render(name, result, Style())
    assert "train.py" in text
    assert "baseline.py" in text
    assert text == render(name, result, Style())


def test_json_has_the_runs_of_the_report_and_no_findings(result: ScanResult) -> None:
    document = json.loads(render("json", result, Style()))
    assert "findings" not in document
    run = {"$defs": SCHEMA["$defs"], **SCHEMA["$defs"]["run"]}
    for held in document["runs"]:
        Draft202012Validator(run).validate(held)
    assert [held["path"] for held in document["runs"]] == ["baseline.py", "train.py"]


def test_a_narrow_terminal_gets_a_block_for_each_run(result: ScanResult) -> None:
    wide = render("table", result, Style())
    narrow = render("table", result, Style(width=60))
    assert max(map(len, narrow.splitlines())) <= 60 < max(map(len, wide.splitlines()))
    assert "\n  Mode " in narrow


def test_a_column_that_applies_to_no_run_is_left_out_of_the_table(result: ScanResult) -> None:
    assert "Epsilon" not in render("table", result, Style())
    assert "Epsilon" in render("table", of_runs(a_run(target_epsilon=3.0)), Style())


@pytest.mark.parametrize("path", ["=1+1.py", "@sum.py", "+x.py", "-x.py"])
def test_no_spreadsheet_computes_what_csv_holds(path: str) -> None:
    rows = list(csv.reader(io.StringIO(render("csv", of_runs(a_run(path)), Style()))))
    assert rows[0] == [column.title for column in COLUMNS]
    assert rows[1][0] == f"'{path}:4"
    assert rows[1][3:5] == ["1.1", "1"]


def test_csv_quotes_what_would_be_several_cells() -> None:
    (_, row) = csv.reader(io.StringIO(render("csv", of_runs(a_run('a,"b"\n.py')), Style())))
    assert row[0] == 'a,"b"␊.py:4'


def test_markdown_shows_text_as_it_is() -> None:
    text = render("markdown", of_runs(a_run("a|b_<img src=x>.py", mode=("[x](javascript:y)",))), Style())
    assert "a\\|b\\_\\<img src=x\\>.py:4" in text
    assert "\\[x\\](javascript:y)" in text
    assert len(text.splitlines()) == 3


# -- comparing --------------------------------------------------------------------------------


def test_lines_that_moved_are_no_difference() -> None:
    old = a_run(line=4), a_run(line=9, mode=("hooks",))
    new = a_run(line=14), a_run(line=90, mode=("hooks",))
    assert differences(record(*old), new) == []


def test_what_a_newer_version_knows_besides_is_no_difference() -> None:
    recorded = record(a_run())
    del recorded[0]["secure_mode"]
    assert differences(recorded, [a_run()]) == []


def test_several_values_are_the_same_in_json() -> None:
    run = a_run(noise_multiplier=(0.5, "?"), mode=("?", "ghost"))
    assert differences(record(run), [run]) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"noise_multiplier": 0.9}, "train.py:4: noise_multiplier was 1.1, is 0.9"),
        ({"mode": ("hooks",)}, 'train.py:4: mode was ["ghost"], is ["hooks"]'),
        ({"global_seed": True}, "train.py:4: global_seed was null, is true"),
    ],
)
def test_a_changed_field_is_named(change: dict[str, Any], words: str) -> None:
    (found,) = differences(record(a_run()), [a_run(**change)])
    assert found.words() == words


def test_runs_that_came_and_went_are_named_and_the_others_keep_their_place() -> None:
    first, second, third = a_run(line=1), a_run(line=5, mode=("hooks",)), a_run(line=9, clipping="per_layer")
    gone = differences(record(first, second, third), [first, third])
    assert [d.words() for d in gone] == ["train.py:5: the run of make_private is gone"]
    new = differences(record(first, third), [first, second, third])
    assert [d.words() for d in new] == ["train.py:5: the run of make_private is not in the record"]


def test_a_run_in_another_file_is_another_run() -> None:
    found = differences(record(a_run("a.py")), [a_run("b.py")])
    assert [d.path for d in found] == ["a.py", "b.py"]


NOT_RECORDS = [
    "",
    "train.py",
    "[]",
    "{}",
    '{"schema": 1}',
    '{"schema": 2, "runs": []}',
    '{"schema": 1, "runs": [3]}',
    '{"schema": 1, "runs": [{"path": 3}]}',
    "[" * 9999,
]


@pytest.mark.parametrize("text", NOT_RECORDS)
def test_what_is_no_inventory_is_told(text: str) -> None:
    with pytest.raises(RecordError):
        recorded_runs(text)
