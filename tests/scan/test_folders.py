"""The verdict on a file is the same whatever folder a command is given in, and however its path is spelt."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dpmigrate import api
from dpmigrate.report import render
from dpmigrate.report.style import Style
from dpmigrate.workspace.settings import Settings
from tests.fixtures_support import FIXTURES, Fixture, fixtures
from tests.scan.programs import lay_out, right, wrong

OLD = (FIXTURES / "single-script" / "before" / "train.py").read_text(encoding="utf-8")
BEFORE = [fixture for fixture in fixtures() if fixture.has("before")]


def repository(folder: Path) -> Path:
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True, timeout=30)
    return folder


def scanned(folder: Path, *paths: str | Path, **options: Any) -> Any:
    """The JSON report of a scan in a folder, every path in it absolute, in the order of those.

    A finding has its run in place of the run's number.
    """
    result = api.scan(paths or (".",), settings=Settings(str(folder)), **options)
    report = json.loads(render("json", result, Style()))
    root = folder / report["root"]

    def absolute(value: Any) -> Any:
        if isinstance(value, list):
            return [absolute(item) for item in value]
        if isinstance(value, dict):
            return {key: at(key, item) for key, item in value.items()}
        return value

    def at(key: str, value: Any) -> Any:
        if key in ("path", "root"):
            return os.path.normpath(folder / value)
        if key == "by_hand" and value is not None:
            return value.replace(os.path.relpath(root, folder) + os.sep, "")
        if key == "analysed_paths":
            return sorted(os.path.normpath(folder / path) for path in value)
        return absolute(value)

    report = absolute(report)
    for finding in report["findings"]:
        finding["run"] = None if finding["run"] is None else report["runs"][finding["run"]]
    for key in ("findings", "runs"):
        report[key].sort(key=lambda f: (f["path"], f["cell"] or 0, f["line"], f.get("rule")))
    return report


def from_everywhere(project: Path) -> dict[str, Callable[[], Any]]:
    """Ways to scan a whole project."""
    below = next((p for p in sorted(project.iterdir()) if p.is_dir() and p.name != ".git"), None)
    if below is None:
        below = project / "below"
        below.mkdir()
    elsewhere = project.parent / "elsewhere"
    elsewhere.mkdir()
    files = sorted(p for p in project.rglob("*") if p.is_file() and ".git" not in p.parts)
    return {
        "from a folder below": lambda: scanned(below, ".."),
        "from outside": lambda: scanned(elsewhere, Path("..", project.name)),
        "by its absolute path": lambda: scanned(elsewhere, project),
        "file by file": lambda: scanned(project, *(p.relative_to(project) for p in files)),
    }


@pytest.mark.parametrize("fixture", BEFORE, ids=lambda fixture: fixture.name)
def test_every_fixture_reads_the_same_from_everywhere(fixture: Fixture, tmp_path: Path) -> None:
    project = repository(tmp_path.resolve() / "project")
    shutil.copytree(fixture.side("before"), project, dirs_exist_ok=True)
    at_its_root = scanned(project)
    if fixture.expected():
        assert at_its_root["findings"]
    for way, scan in from_everywhere(project).items():
        assert scan() == at_its_root, way


@pytest.mark.parametrize("name", ["single-script", "package-two-modules", "notebook"])
def test_a_fix_is_the_same_from_everywhere(name: str, tmp_path: Path) -> None:
    project = repository(tmp_path.resolve() / "project")
    shutil.copytree(FIXTURES / name / "before", project, dirs_exist_ok=True)
    below = project / "below"
    below.mkdir()

    def fixed(folder: Path, path: str) -> dict[str, bytes]:
        contents = api.fix([path], settings=Settings(str(folder))).contents
        return {os.path.normpath(folder / shown): data for shown, data in contents.items()}

    at_its_root = fixed(project, ".")
    assert at_its_root
    assert fixed(below, "..") == at_its_root
    assert fixed(tmp_path, str(project)) == at_its_root


@pytest.mark.parametrize("how", ["git", "requirements.txt alone", "topmost pyproject.toml"])
def test_the_pin_above_counts_from_a_folder_below(tmp_path: Path, how: str) -> None:
    source = tmp_path / "pkg" / "src"
    lay_out(tmp_path, pkg__src__train=OLD)
    (tmp_path / "requirements.txt").write_text("opacus==1.5.2\n", encoding="utf-8")
    if how == "git":
        repository(tmp_path)
    elif how != "requirements.txt alone":
        for folder in (tmp_path, source):
            (folder / "pyproject.toml").write_text("[project]\nname = 'x'\n", encoding="utf-8")
    (run,) = api.scan(["."], cwd=source).runs
    assert run.opacus.sources[0].path == "../../requirements.txt"
    assert run.opacus.spec == "==1.5.2"
    result = api.fix(["."], cwd=source)
    assert result.contents == {}
    assert any("../../requirements.txt, which is outside the given paths" in why for _, why in result.refused)


def test_files_that_a_requirements_file_includes_count_from_below(tmp_path: Path) -> None:
    repository(tmp_path)
    lay_out(tmp_path, pkg__train=OLD)
    (tmp_path / "pkg" / "base.txt").write_text("opacus==1.5.2\n", encoding="utf-8")
    (tmp_path / "requirements.txt").write_text("-r pkg/base.txt\n", encoding="utf-8")
    lay_out(tmp_path, other__train=OLD)
    for folder in ("other", "pkg"):
        found = scanned(tmp_path / folder, "..")
        assert [run["opacus"]["spec"] for run in found["runs"]] == ["==1.5.2", "==1.5.2"]


def test_a_repository_inside_another_goes_by_its_own_pins(tmp_path: Path) -> None:
    repository(tmp_path)
    (tmp_path / "requirements.txt").write_text("opacus==1.5.2\n", encoding="utf-8")
    inner = repository(tmp_path / "inner")
    lay_out(inner, train=right())
    for folder, path in ((inner, "."), (tmp_path, "inner"), (tmp_path, "inner/train.py")):
        (run,) = scanned(folder, path)["runs"]
        assert run["opacus"]["spec"] == ">=1.5.3"


MONOREPO = {
    "pyproject.toml": '[tool.dpmigrate]\nignore = ["DPM103"]\nexclude = ["third_party/"]\n',
    "ads/pyproject.toml": "[project]\nname = 'ads'\n",
    "fed/pyproject.toml": '[tool.dpmigrate]\nselect = ["DPM1"]\n',
}


@pytest.fixture
def monorepo(tmp_path: Path) -> Path:
    repository(tmp_path)
    lay_out(tmp_path, ads__train=wrong(), fed__a=wrong(), top=wrong(), third_party__old=wrong())
    for name, text in MONOREPO.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("folder", "paths"),
    [
        (".", ["."]),
        (".", ["ads/train.py", "fed/a.py", "top.py"]),
        (".", ["ads", "fed"]),
        ("ads", ["..", "../fed/a.py"]),
        ("fed", ["."]),
        ("third_party", ["../ads/train.py", "../fed"]),
    ],
)
def test_options_belong_to_the_file_that_they_govern(monorepo: Path, folder: str, paths: list[str]) -> None:
    findings = scanned(monorepo / folder, *paths)["findings"]
    assert [(f["rule"], f["path"]) for f in findings] == [("DPM103", str(monorepo / "fed" / "a.py"))]


@pytest.mark.parametrize("folder", [".", "ads", "fed"])
def test_the_patterns_are_relative_to_their_own_file(monorepo: Path, folder: str) -> None:
    old = monorepo / "third_party" / "old.py"
    assert scanned(monorepo / folder, monorepo)["files"]["seen"] == 3
    assert scanned(monorepo / folder, old)["files"]["seen"] == 4  # what is named is read
    forced = Settings(str(monorepo / folder), force_exclude=True)
    assert api.scan([old], settings=forced).empty
    assert api.scan([old.parent], settings=forced).empty


def test_an_option_of_a_package_holds_for_its_own_runs_only(monorepo: Path) -> None:
    for name in ("ads", "fed"):
        (monorepo / name / "train.py").write_text(OLD, encoding="utf-8")
    (monorepo / "fed" / "pyproject.toml").write_text('[tool.dpmigrate]\nopacus = "1.5.4"\n', encoding="utf-8")
    specs = {run["path"]: run["opacus"]["spec"] for run in scanned(monorepo, "ads", "fed/train.py")["runs"]}
    assert specs == {
        str(monorepo / "ads" / "train.py"): "==1.5.2",
        str(monorepo / "fed" / "train.py"): "==1.5.4",
    }


def test_two_projects_named_together_say_what_each_says_alone(tmp_path: Path) -> None:
    train = "from helper import MODE\n" + wrong().replace("grad_sample_mode=mode", "grad_sample_mode=MODE")
    for name, mode in (("one", ""), ("two", "MODE = 'hooks'\n")):
        repository(tmp_path / name)
        lay_out(tmp_path / name, train=train, **({"helper": mode} if mode else {}))
    alone = [scanned(tmp_path, name) for name in ("one", "two")]
    together = scanned(tmp_path, "one", "two")
    assert together["runs"] == [run for report in alone for run in report["runs"]]
    assert together["findings"] == [found for report in alone for found in report["findings"]]
    assert [run["mode"] for run in together["runs"]][1] == ["hooks"]
