"""``dpmigrate merge``: reports in, one report and its exit status out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import FakeApi, Run, finding, scanned
from tests.scan.programs import lay_out, wrong


@pytest.fixture
def report(run: Run, api: FakeApi) -> str:
    """A report with one warning, on disk."""
    api.answer = scanned(finding("warning"))
    run("scan", "--format", "json", "--output", "a.json")
    return "a.json"


def test_a_report_alone_is_the_same(run: Run, report: str) -> None:
    outcome = run("merge", report, "--format", "json")
    assert outcome == (1, Path(report).read_text(encoding="utf-8"), "")
    assert run("merge", report, report, "--format", "json") == outcome


def test_nothing_to_report_is_status_0(run: Run, api: FakeApi, report: str) -> None:
    assert run("merge", report, "--exit-zero").status == 0
    api.answer = scanned()
    run("scan", "--format", "json", "--output", "b.json")
    outcome = run("merge", "b.json")
    assert outcome.status == 0
    assert outcome.out.endswith("No findings\n")


def test_a_form_with_code_takes_it_from_here(run: Run, report: str) -> None:
    Path("train.py").write_text("with_a_fault()\n", encoding="utf-8")
    outcome = run("merge", report)
    assert outcome.status == 1
    assert "1 | with_a_fault()" in outcome.out
    Path("train.py").unlink()
    assert "with_a_fault" not in run("merge", report).out


@pytest.mark.parametrize("text", [None, "[]", "\udcff"])
def test_what_is_no_report_is_status_2(run: Run, report: str, text: str | None) -> None:
    if text is not None:
        Path("b.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    outcome = run("merge", report, "b.json")
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err.startswith("dpmigrate: b.json ")


def test_no_report_is_wrong_usage(run: Run) -> None:
    assert run("merge").status == 2


def test_the_output_is_a_file(run: Run, report: str) -> None:
    run("merge", report, "--format", "json", "--output", "all.json")
    assert json.loads(Path("all.json").read_text(encoding="utf-8"))["findings"][0]["rule"] == "DPM101"


@pytest.mark.parametrize("format_", ["json", "sarif", "gitlab", "github", "junit", "concise"])
def test_every_form_for_a_machine_is_that_of_the_undivided_scan(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format_: str
) -> None:
    (tmp_path / ".git").mkdir()
    silenced = wrong().replace("loss.backward()", "loss.backward()  # dpmigrate: ignore[DPM103]")
    lay_out(tmp_path, pkg__a__train=wrong(), pkg__b__train=silenced, pkg__b__broken="import opacus\nx = (\n")
    cells = [{"cell_type": "code", "source": wrong().splitlines(keepends=True)}]
    (tmp_path / "pkg" / "a" / "study.ipynb").write_text(json.dumps({"cells": cells}, indent=1), "utf-8")
    monkeypatch.chdir(tmp_path / "pkg")
    for part in ("a", "b"):
        run("scan", part, "--format", "json", "--output", f"{part}.json")
    whole = run("scan", "a", "b", "--format", format_)
    assert run("merge", "b.json", "a.json", "--format", format_) == whole
    assert (format_ in ("json", "concise")) is ("pkg/a/train.py" not in whole.out)
