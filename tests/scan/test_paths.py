"""PATH limits what is reported; the project around it is read all the same."""

from __future__ import annotations

from pathlib import Path

from dpmigrate import api
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
