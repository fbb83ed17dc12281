"""``dpmigrate inventory``: arguments in, list or comparison and exit status out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dpmigrate.model import NotAnalysed, ScanResult
from dpmigrate.model import Run as TrainingRun
from dpmigrate.report.inventory import FORMATS
from tests.cli.conftest import FakeApi, Run

HOOKS = TrainingRun("train.py", 40, None, "make_private", ("hooks",), "definite", noise_multiplier=1.1)


@pytest.fixture
def one(api: FakeApi) -> FakeApi:
    api.answer = ScanResult(root=".", files_seen=1, files_analysed=1, runs=(HOOKS,))
    return api


def test_the_default_is_a_table(run: Run, one: FakeApi) -> None:
    outcome = run("inventory")
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.splitlines()[1].split()[:4] == ["train.py:40", "make_private", "hooks", "1.1"]


def test_a_record_that_holds_is_status_0(run: Run, one: FakeApi) -> None:
    assert run("inventory", "--format", "json", "--output", "dp.json") == (0, "", "")
    outcome = run("inventory", "--check", "dp.json")
    assert outcome == (0, "1 private training run, as in dp.json\n", "")


def test_a_difference_is_status_1(run: Run, one: FakeApi) -> None:
    run("inventory", "--format", "json", "--output", "dp.json")
    one.answer = ScanResult(".", 1, 1, runs=(HOOKS._replace(noise_multiplier=0.5),))
    outcome = run("inventory", "--check", "dp.json")
    assert (outcome.status, outcome.err) == (1, "")
    assert outcome.out == "train.py:40: noise_multiplier was 1.1, is 0.5\n1 difference from dp.json\n"
    told = json.loads(run("inventory", "--check", "dp.json", "--format", "json").out)
    assert told["matches"] is False
    assert told["differences"][0]["recorded"] == 1.1


def test_a_difference_is_told_in_each_format(run: Run, one: FakeApi) -> None:
    run("inventory", "--format", "json", "--output", "dp.json")
    new = HOOKS._replace(path="a|b.py", opacus=HOOKS.opacus)
    one.answer = ScanResult(".", 1, 1, runs=(HOOKS._replace(mode=("=1+1",)), new))
    told = {form: run("inventory", "--check", "dp.json", "--format", form) for form in FORMATS}
    assert {outcome.status for outcome in told.values()} == {1}
    assert told["csv"].out.splitlines() == [
        "Run,What,Recorded,Now",
        "a|b.py:40,run,not there,there",
        'train.py:40,mode,"[""hooks""]","[""=1+1""]"',
    ]
    assert told["markdown"].out == (
        "| Run | What | Recorded | Now |\n| --- | --- | --- | --- |\n"
        "| a\\|b.py:40 | run | not there | there |\n"
        '| train.py:40 | mode | \\["hooks"\\] | \\["=1+1"\\] |\n\n2 differences from dp.json\n'
    )
    assert "<h1>2 differences from dp.json</h1>" in told["html"].out
    assert '<td data-title="Now">[&quot;=1+1&quot;]</td>' in told["html"].out
    one.answer = ScanResult(".", 1, 1, runs=(HOOKS,))
    same = run("inventory", "--check", "dp.json", "--format", "html")
    assert (same.status, "<table" in same.out) == (0, False)


def test_a_record_of_the_root_holds_from_every_folder_for_what_is_below_the_paths(
    run: Run, one: FakeApi
) -> None:
    both = (HOOKS._replace(path="a/train.py"), HOOKS._replace(path="b/train.py"))
    one.answer = ScanResult(".", 2, 2, runs=both, cwd="/p")
    run("inventory", "--format", "json", "--output", "dp.json")
    left_out = "1 run of dp.json outside the given paths, not compared\n"
    one.answer = ScanResult("..", 2, 2, runs=(HOOKS,), cwd="/p/a")
    assert run("inventory", "--check", "dp.json") == (
        0,
        f"1 private training run, as in dp.json\n{left_out}",
        "",
    )
    one.answer = ScanResult(".", 2, 2, runs=(), cwd="/p")
    outcome = run("inventory", "a", "--check", "dp.json")
    assert outcome.status == 1
    assert outcome.out == (
        f"a/train.py:40: the run of make_private is gone\n1 difference from dp.json\n{left_out}"
    )


def test_a_whole_report_is_a_record_too(run: Run, one: FakeApi) -> None:
    run("scan", "--format", "json", "--output", "scan.json")
    assert run("inventory", "--check", "scan.json").status == 0


@pytest.mark.parametrize("text", [None, "not json", "\udcff"])
def test_a_record_that_cannot_be_read_is_status_2(run: Run, one: FakeApi, text: str | None) -> None:
    if text is not None:
        Path("dp.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    outcome = run("inventory", "--check", "dp.json")
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err.startswith("dpmigrate: --check: dp.json ")


def test_standard_input_is_no_project(run: Run, one: FakeApi) -> None:
    assert run("inventory", "-").status == 2


def test_files_that_may_hide_a_run_are_named(run: Run, one: FakeApi) -> None:
    one.answer = ScanResult(".", 1, 1, not_analysed=(NotAnalysed("broken.py", 3, "syntax error"),))
    outcome = run("inventory")
    assert outcome == (
        0,
        "No private training run\n",
        "broken.py:3: not analysed, so its runs are missing: syntax error\n",
    )
