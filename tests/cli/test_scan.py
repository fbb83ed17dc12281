"""``dpmigrate scan``: arguments in, report and exit status out."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from dpmigrate.model import NotAnalysed
from dpmigrate.workspace.config import Config
from dpmigrate.workspace.errors import UsageError
from tests.cli.conftest import FakeApi, Run, finding, scanned

BROKEN = (NotAnalysed("broken.py", 3, "syntax error"),)


def test_nothing_found_is_status_0(run: Run, api: FakeApi) -> None:
    outcome = run("scan")
    assert outcome.status == 0
    assert outcome.err == ""
    assert outcome.out.endswith("No findings\n")


def test_defaults(run: Run, api: FakeApi, tmp_path: Path) -> None:
    run("scan")
    (call,) = api.calls
    settings = call.pop("settings")
    assert call.pop("told") is not None
    assert call == {
        "paths": (".",),
        "jobs": None,
        "stdin": None,
        "stdin_filename": None,
        "baseline": (),
        "diff_base": None,
        "cache": str(tmp_path / "xdg" / "dpmigrate"),
    }
    assert settings.cwd == str(tmp_path)
    assert settings.given == Config()


def test_answers_are_kept_where_asked(run: Run, api: FakeApi) -> None:
    run("scan", "--cache-dir", "kept")
    run("scan", "--no-cache")
    assert [call["cache"] for call in api.calls] == ["kept", None]
    assert run("scan", "--no-cache", "--cache-dir", "kept").status == 2


@pytest.mark.parametrize(
    ("severity", "certainty", "options", "status"),
    [
        ("info", "definite", [], 0),
        ("warning", "possible", [], 1),
        ("error", "definite", [], 1),
        ("error", "definite", ["--exit-zero"], 0),
    ],
)
def test_exit_status(
    run: Run, api: FakeApi, severity: str, certainty: str, options: list[str], status: int
) -> None:
    api.answer = scanned(finding(severity, certainty))
    assert run("scan", *options).status == status


@pytest.mark.parametrize(("options", "status"), [([], 1), (["--exit-zero"], 0)])
def test_a_file_that_could_not_be_analysed_is_status_1(
    run: Run, api: FakeApi, options: list[str], status: int
) -> None:
    api.answer = scanned(not_analysed=BROKEN)
    assert run("scan", *options).status == status


def test_json_is_the_only_thing_on_standard_output(run: Run, api: FakeApi) -> None:
    api.answer = scanned(finding(), not_analysed=BROKEN)
    outcome = run("scan", "--format", "json")
    assert json.loads(outcome.out)["findings"][0]["rule"] == "DPM101"
    assert outcome.err == ""


def test_the_path_given_is_the_path_scanned(run: Run, api: FakeApi) -> None:
    run("scan", "src", "train.py", "--jobs", "2", "--opacus", "1.5.2")
    assert api.calls[0]["paths"] == ("src", "train.py")
    assert api.calls[0]["jobs"] == 2
    assert api.calls[0]["settings"].given.opacus == "1.5.2"


def test_a_dash_reads_standard_input(run: Run, api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    source = b"import opacus\r\n\xff"
    read, write = os.pipe()
    os.write(write, source)
    os.close(write)
    with os.fdopen(read) as stream:
        monkeypatch.setattr("sys.stdin", stream)
        run("scan", "-")
    assert api.calls[0]["stdin"] == source
    assert api.calls[0]["paths"] == ("-",)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["-", "train.py"], "'-' (standard input) cannot be combined with other paths."),
        (["--select", " , "], "--select: names no rule."),
        (["--ignore", ""], "--ignore: names no rule."),
        (["--format", "xml"], "'xml' is not one of"),
        (["--jobs", "0"], "'--jobs'"),
        (["--min-certainty", "maybe"], "'maybe' is not one of"),
        (["--nonsense"], "No such option"),
    ],
)
def test_wrong_usage_is_one_sentence_and_status_2(
    run: Run, api: FakeApi, arguments: list[str], sentence: str
) -> None:
    outcome = run("scan", *arguments)
    assert outcome.status == 2
    assert outcome.out == ""
    assert sentence in outcome.err
    assert outcome.err.count("\n") == 1
    assert api.calls == []


def test_what_the_library_says_of_usage_is_status_2(run: Run, api: FakeApi) -> None:
    api.answer = UsageError("There is no file or folder 'nowhere'.")
    outcome = run("scan", "nowhere")
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err == "dpmigrate: There is no file or folder 'nowhere'.\n"


def test_exit_zero_does_not_hide_wrong_usage(run: Run, api: FakeApi) -> None:
    api.answer = UsageError("no")
    assert run("scan", "--exit-zero").status == 2


def test_an_internal_error_is_status_2_without_a_traceback(run: Run, api: FakeApi) -> None:
    api.answer = RuntimeError("impossible\nthing")
    outcome = run("scan")
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err.startswith("dpmigrate: internal error: RuntimeError: impossible thing. Please report")
    assert "Traceback" not in outcome.err


def test_debug_shows_the_traceback(run: Run, api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPMIGRATE_DEBUG", "1")
    api.answer = RuntimeError("impossible")
    outcome = run("scan")
    assert outcome.status == 2
    assert "Traceback" in outcome.err


def test_output_goes_to_the_file_without_colour(
    run: Run, api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    api.answer = scanned(finding())
    outcome = run("scan", "--output", "report.txt")
    assert (outcome.status, outcome.out) == (1, "")
    assert (tmp_path / "report.txt").read_text(encoding="utf-8").startswith("train.py:1:1: DPM101 [error]")
    assert [path.name for path in tmp_path.iterdir()] == ["report.txt"]


def test_output_keeps_the_mode_of_the_file_and_follows_a_link(run: Run, api: FakeApi, tmp_path: Path) -> None:
    target = tmp_path / "real.json"
    target.write_text("old", encoding="utf-8")
    target.chmod(0o640)
    (tmp_path / "link.json").symlink_to(target)
    run("scan", "--format", "json", "--output", "link.json")
    assert (tmp_path / "link.json").is_symlink()
    assert json.loads(target.read_text(encoding="utf-8"))["schema"] == 1
    assert target.stat().st_mode & 0o777 == 0o640


def test_output_into_a_folder_that_is_not_there_is_status_2(run: Run, api: FakeApi) -> None:
    outcome = run("scan", "--output", "nowhere/report.txt")
    assert outcome.status == 2
    assert (
        outcome.err
        == "dpmigrate: The report could not be written to nowhere/report.txt: No such file or directory.\n"
    )


@pytest.mark.parametrize("command", ["scan", "fix"])
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('select = ["DPM9x"]', "[tool.dpmigrate] select: 'DPM9x' is no rule."),
        ('ignore = ["DPM9x"]', "[tool.dpmigrate] ignore: 'DPM9x' is no rule."),
        ('opacus = "new"', "[tool.dpmigrate] opacus: 'new' is not a version"),
    ],
)
def test_a_wrong_option_of_pyproject_is_named_as_such(
    run: Run, tmp_path: Path, command: str, line: str, said: str
) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[tool.dpmigrate]\n{line}\n", encoding="utf-8")
    outcome = run(command)
    assert outcome.status == 2
    assert outcome.err.startswith(f"dpmigrate: pyproject.toml: {said}")


def test_a_wrong_pyproject_is_status_2(run: Run, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.dpmigrate]\njob = 2\n", encoding="utf-8")
    outcome = run("scan")
    assert (outcome.status, outcome.out) == (2, "")
    assert "pyproject.toml: [tool.dpmigrate] job: unknown key; did you mean 'jobs'?" in outcome.err
