"""PATH limits what is reported; the project around it is read all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api
from dpmigrate.cli import run
from tests.scan.programs import lay_out, right, wrong


def reported(project: Path, *paths: str, cwd: str = ".") -> list[tuple[str, str]]:
    result = api.scan(paths or (".",), cwd=project / cwd)
    return [(f.rule, f.span.path) for f in result.findings if f.severity != "info"]


def project_of_two(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("", encoding="utf-8")
    return lay_out(tmp_path, ours__train=wrong(), theirs__train=wrong())


def test_right_code_has_no_finding(tmp_path: Path) -> None:
    assert reported(lay_out(tmp_path, train=right())) == []


def test_a_folder_limits_the_report(tmp_path: Path) -> None:
    assert reported(project_of_two(tmp_path), "ours") == [("DPM103", "ours/train.py")]


def test_the_current_folder_limits_the_report_inside_a_larger_project(tmp_path: Path) -> None:
    assert reported(project_of_two(tmp_path), cwd="ours") == [("DPM103", "train.py")]


def test_a_folder_beside_the_current_one(tmp_path: Path) -> None:
    assert reported(project_of_two(tmp_path), "../theirs", cwd="ours") == [("DPM103", "../theirs/train.py")]


@pytest.mark.parametrize(("cwd", "path"), [(".", "."), ("ours", ".."), ("..", "{project}")])
def test_patterns_of_pyproject_are_relative_to_it_wherever_the_scan_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], cwd: str, path: str
) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.dpmigrate]\nexclude = ["/theirs/"]\n', encoding="utf-8")
    lay_out(tmp_path, ours__train=wrong(), theirs__train=wrong())
    monkeypatch.chdir(tmp_path / cwd)
    run(["scan", path.format(project=tmp_path)])
    assert "1 file seen" in capsys.readouterr().out
    run(["fix", "--select", "DPM103", path.format(project=tmp_path)])
    assert "theirs" not in "".join(capsys.readouterr())


def test_a_module_that_others_enter_is_judged_with_their_arguments(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("", encoding="utf-8")
    loop = "def fit(model, criterion, optimizer, loader):\n    for x, y in loader:\n        LOSS.backward()\n"
    loop = loop.replace("LOSS", "torch.nn.functional.mse_loss(model(x), y)") + "        optimizer.step()\n"
    start = right(loss="pass").partition("    for x")[0] + "    fit(model, criterion, optimizer, loader)\n"
    lay_out(tmp_path, ours__loop="import torch\n" + loop, start="from ours.loop import fit\n" + start)
    lay_out(tmp_path, theirs__train=wrong())
    assert reported(tmp_path, "ours") == [("DPM103", "ours/loop.py")]
    assert reported(tmp_path, "theirs") == [("DPM103", "theirs/train.py")]


def test_a_dependency_file_is_judged_by_runs_anywhere(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("", encoding="utf-8")
    (tmp_path / "requirements.txt").write_text("opacus==1.5.2\n", encoding="utf-8")
    assert reported(lay_out(tmp_path, train=wrong()), "requirements.txt") == [("DPM902", "requirements.txt")]


def test_a_dependency_file_in_a_folder_brings_in_what_it_governs_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("", encoding="utf-8")
    lay_out(tmp_path, ours__train=right(), theirs__train=wrong())
    pins = tmp_path / "ours" / "requirements.txt"
    pins.write_text("opacus==1.5.2\n", encoding="utf-8")
    result = api.scan(["ours"], cwd=tmp_path)
    assert (result.files_analysed, reported(tmp_path, "ours")) == (1, [("DPM902", "ours/requirements.txt")])
    (tmp_path / "theirs" / "requirements.txt").write_text(
        "-r ../ours/requirements.txt # opacus\n", encoding="utf-8"
    )
    assert api.scan(["ours"], cwd=tmp_path).files_analysed == 2
