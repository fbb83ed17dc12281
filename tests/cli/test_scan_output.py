"""Where a scan's reports go, how much it says, and which settings it goes by."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dpmigrate.model import CutShort, ScanResult, Suppressed
from dpmigrate.model import Run as TrainingRun
from tests.cli.conftest import FakeApi, Run, finding, scanned


@pytest.fixture
def much() -> ScanResult:
    """A result with something of all that can be said."""
    run = TrainingRun("train.py", 1, None, "make_private", ("ghost",), "definite")
    return scanned(finding(), finding(rule="DPM103")._replace(name="unwrapped-loss", fix=None))._replace(
        runs=(run,),
        suppressed=(Suppressed(finding("warning", rule="DPM102"), "comment"),),
        cut_short=tuple(CutShort(f"m{i}.py", "main") for i in range(5)),
        gone=("old.py: DPM101 a fault of old",),
    )


def test_a_dash_is_standard_output(run: Run, api: FakeApi, much: ScanResult, tmp_path: Path) -> None:
    api.answer = much
    assert run("scan", "--output", "-") == run("scan")
    assert list(tmp_path.iterdir()) == []


def test_one_scan_gives_several_reports(run: Run, api: FakeApi, much: ScanResult, tmp_path: Path) -> None:
    api.answer = much
    plain = run("scan", "--format", "concise")
    outcome = run(
        "scan", "--format", "concise", "--report", "sarif=a.sarif", "--report", "json=a.json", "-o", "a.txt"
    )
    assert (outcome.status, outcome.out, outcome.err) == (plain.status, "", plain.err)
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == plain.out
    for name, form in (("a.sarif", "sarif"), ("a.json", "json")):
        assert (tmp_path / name).read_text(encoding="utf-8") == run("scan", "--format", form).out
    assert len(api.calls) == 4


@pytest.mark.parametrize(
    "value", ["sarif", "sarif=", "sarif=-", "xml=a.xml", "=a.json"], ids=lambda value: value
)
def test_a_report_that_goes_nowhere_is_wrong_usage(run: Run, api: FakeApi, value: str) -> None:
    outcome = run("scan", "--report", value)
    assert (outcome.status, outcome.out) == (2, "")
    assert repr(value) in outcome.err
    assert api.calls == []


def test_quiet_says_the_findings_and_nothing_else(run: Run, api: FakeApi, much: ScanResult) -> None:
    api.answer = much
    outcome = run("scan", "-q")
    assert outcome.status == 1
    assert outcome.err == ""
    assert [line for line in outcome.out.splitlines() if line[:1].strip()] == [
        line for line in run("scan").out.splitlines() if line.startswith("train.py:")
    ]
    api.answer = scanned()
    assert run("scan", "-q").out == ""


def test_verbose_lists_what_is_counted(run: Run, api: FakeApi, much: ScanResult) -> None:
    api.answer = much
    shown = run("scan").out
    listed = run("scan", "-v").out
    assert "m4.py:main" not in shown
    assert "m4.py:main" in listed
    assert "1 suppressed: 1 by a comment (-v lists what)\n" in shown
    assert "1 suppressed: 1 by a comment\n  train.py:1:1: DPM102 [warning] by a comment\n" in listed
    assert "  train.py:1  make_private, ghost" not in shown
    assert "  train.py:1  make_private, ghost" in listed


def test_statistics_are_a_line_for_each_rule(run: Run, api: FakeApi, much: ScanResult) -> None:
    api.answer = much._replace(findings=(*much.findings, finding()))
    assert run("scan", "--statistics").out.splitlines() == [
        "     2  DPM101  ghost-batch-memory-manager  [safe fix]",
        "     1  DPM103  unwrapped-loss",
        "3 findings",
    ]
    api.answer = scanned()
    assert run("scan", "--statistics").out == "No findings\n"
    assert run("scan", "--statistics", "--format", "json").status == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--config", "a.toml", "--no-config"], "--config and --no-config exclude each other."),
        (["--stdin-filename", "a.py"], "--stdin-filename needs '-'"),
        (["--baseline", "none.json"], "--baseline: none.json cannot be read"),
        (["--config", "none.toml"], "none.toml: cannot be read"),
    ],
)
def test_wrong_usage(run: Run, api: FakeApi, arguments: list[str], sentence: str) -> None:
    outcome = run("scan", *arguments)
    assert (outcome.status, outcome.out) == (2, "")
    assert sentence in outcome.err


OUTER = """\
[tool.dpmigrate]
ignore = ["DPM203"]
exclude = ["third_party/"]
seed = 'args["seed"]'
severity = { DPM404 = "error" }
per-file-ignores = { "tests/" = ["DPM2"] }
"""


def test_the_settings_of_each_path_are_shown_with_where_they_were_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "pyproject.toml").write_text(OUTER, encoding="utf-8")
    (tmp_path / "inner" / "pyproject.toml").write_text(
        '[tool.dpmigrate]\nselect = ["DPM1"]\n', encoding="utf-8"
    )
    (tmp_path / "train.py").touch()
    for folder in ("tests", "third_party"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "train.py").touch()
    outcome = run("scan", "--show-settings", "--ignore", "DPM101", "--opacus", "1.5.2", "train.py", "inner")
    assert (outcome.status, outcome.err) == (0, "")
    outer, inner = outcome.out.split("\n\n")
    assert outer.splitlines()[:10] == [
        "# train.py",
        "# root: .",
        "# configuration: pyproject.toml",
        'ignore = ["DPM101"]  # command line',
        'ignore = ["DPM203"]  # pyproject.toml',
        'exclude = ["third_party/"]  # pyproject.toml',
        'per-file-ignores = { "tests/" = ["DPM2"] }  # pyproject.toml',
        'severity = { "DPM404" = "error" }  # pyproject.toml',
        'opacus = "1.5.2"  # command line',
        'seed = "args[\\"seed\\"]"  # pyproject.toml',
    ]
    assert "# rules reported: all but DPM101, DPM203" in outer
    assert 'select = ["DPM1"]  # inner/pyproject.toml' in inner
    assert "DPM102" in inner
    assert "DPM201" not in inner
    spared = run("scan", "--show-settings", "tests/train.py").out
    assert (
        "# rules reported: all but DPM201, DPM202, DPM203, DPM204, DPM205, DPM206, DPM207, DPM208" in spared
    )
    assert "# left out" not in spared
    assert "# left out by exclude" in run("scan", "--show-settings", "third_party/train.py").out
    assert run("scan", "--show-settings", "--no-config").out.splitlines()[2] == "# configuration: none"
    assert run("scan", "--show-settings", "nowhere").status == 2


def test_one_configuration_may_govern_all(run: Run, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.dpmigrate]\nselekt = ["DPM1"]\n', encoding="utf-8")
    (tmp_path / "other.toml").write_text('[tool.dpmigrate]\nselect = ["DPM1"]\n', encoding="utf-8")
    (tmp_path / "train.py").write_text("x = 1\n", encoding="utf-8")
    assert run("scan").status == 2
    assert run("scan", "--no-config").status == 0
    assert run("scan", "--config", "other.toml").status == 0
    assert json.loads(run("scan", "--config", "other.toml", "--format", "json").out)["findings"] == []
