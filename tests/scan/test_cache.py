"""Answers kept from one scan to the next: used where nothing changed, never where anything did."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import dpmigrate
from dpmigrate import api, scanning
from dpmigrate.model import ScanResult
from dpmigrate.project import Project
from dpmigrate.report import render
from dpmigrate.report.style import Style
from dpmigrate.scanning import cache, dependents
from dpmigrate.scanning.parts import Part
from dpmigrate.workspace.config import Config
from dpmigrate.workspace.settings import Settings
from tests.fixtures_support import fixtures
from tests.scan.programs import lay_out, right, wrong

CALLER = "import helper\nfrom opacus import PrivacyEngine\nhelper.train([])\n"


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The first entry of every group that was really analysed, in order."""
    entries: list[str] = []
    analyse = scanning._of_part

    def noted(project: Project, part: Part) -> scanning._Answer:
        entries.append(min(part.groups[0].entries))
        return analyse(project, part)

    monkeypatch.setattr(scanning, "_of_part", noted)
    return entries


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Two groups of modules that have nothing to do with one another, under one pin."""
    folder = lay_out(tmp_path / "project", a__main=CALLER, a__helper=wrong(), b__train=wrong())
    (folder / "requirements.txt").write_text("opacus>=1.5.3\n", encoding="utf-8")
    (folder / ".git").mkdir()
    return folder


def scan(folder: Path, kept: bool = True, paths: tuple[str, ...] = (".",), **given: object) -> ScanResult:
    settings = Settings(str(folder), Config(**given))  # type: ignore[arg-type]
    return api.scan(paths, jobs=1, settings=settings, cache=folder.parent / "cache" if kept else None)


def test_without_a_folder_nothing_is_kept(project: Path, judged: list[str]) -> None:
    for _ in range(2):
        scan(project, kept=False)
    assert judged == ["a/helper.py", "b/train.py"] * 2
    assert sorted(p.name for p in project.parent.iterdir()) == ["project"]


def test_an_unchanged_project_is_not_analysed_again(project: Path, judged: list[str]) -> None:
    first = scan(project)
    assert len(first.findings) == 2
    judged.clear()
    assert scan(project) == first
    assert judged == []
    assert scan(project, kept=False) == first
    assert judged == ["a/helper.py", "b/train.py"]


def test_what_is_kept_is_the_answer_byte_for_byte(tmp_path: Path) -> None:
    for fixture in fixtures():
        if fixture.has("before"):
            shutil.copytree(fixture.side("before"), tmp_path / "all" / fixture.name)
    (tmp_path / "all" / ".git").mkdir()
    for name in ("json", "text"):
        plain, first, second = (
            render(name, scan(tmp_path / "all", kept=kept), Style()) for kept in (False, True, True)
        )
        assert plain == first == second


def _rewrite(path: str, change: Callable[[str], str]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        file = folder / path
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(change(text), encoding="utf-8")

    return apply


ONE_GROUP = {
    "an entry": _rewrite("a/main.py", lambda text: text + "# more\n"),
    "a callee": _rewrite("a/helper.py", lambda text: right()),
    "a byte of a callee, and not its size": _rewrite("a/helper.py", lambda text: text.replace("1.0", "1.1")),
}
EVERY_GROUP = {
    "a pin": _rewrite("requirements.txt", lambda text: "opacus==1.5.2\n"),
    "a new pin file": _rewrite("a/requirements-dev.txt", lambda text: "opacus<1.5.4\n"),
    "the configuration": _rewrite("pyproject.toml", lambda text: '[tool.dpmigrate]\nignore = ["DPM103"]\n'),
    "a new module, which some import may mean": _rewrite("c/new.py", lambda text: "x = None\n"),
}


@pytest.mark.parametrize("change", ONE_GROUP.values(), ids=ONE_GROUP)
def test_a_changed_file_costs_the_analysis_of_what_depends_on_it(
    project: Path, judged: list[str], change: Callable[[Path], None]
) -> None:
    scan(project)
    judged.clear()
    change(project)
    again = scan(project)
    assert judged == ["a/helper.py"]
    assert again == scan(project, kept=False)


@pytest.mark.parametrize("change", EVERY_GROUP.values(), ids=EVERY_GROUP)
def test_what_everything_depends_on(project: Path, judged: list[str], change: Callable[[Path], None]) -> None:
    scan(project)
    judged.clear()
    change(project)
    again = scan(project)
    assert judged == ["a/helper.py", "b/train.py"]
    assert again == scan(project, kept=False)


@pytest.mark.parametrize(
    "given", [{"select": ("DPM101",)}, {"opacus": "==1.5.2"}, {"min_certainty": "definite"}]
)
def test_other_options_are_other_answers(project: Path, judged: list[str], given: dict[str, object]) -> None:
    scan(project)
    assert scan(project, **given) == scan(project, kept=False, **given)


def test_other_paths_are_other_answers(project: Path) -> None:
    whole = scan(project)
    part = scan(project, paths=("a",))
    assert [f.span.path for f in part.findings] == ["a/helper.py"] != [f.span.path for f in whole.findings]
    assert part == scan(project, kept=False, paths=("a",))


def test_paths_are_shown_from_the_folder_at_hand(project: Path) -> None:
    scan(project)
    settings = Settings(str(project / "a"))
    below = api.scan([".."], jobs=1, settings=settings, cache=project.parent / "cache")
    assert {f.span.path for f in below.findings} == {"helper.py", "../b/train.py"}


def test_a_checkout_elsewhere_has_the_same_answers(project: Path, judged: list[str]) -> None:
    first = scan(project)
    moved = project.rename(project.parent / "moved")
    judged.clear()
    assert scan(moved)._replace(cwd=first.cwd) == first
    assert judged == []


def test_what_an_analysis_asks_for_besides_counts(project: Path, judged: list[str]) -> None:
    _rewrite(
        "b/train.py",
        lambda text: (
            "from importlib import import_module\nfrom opacus import PrivacyEngine\n"
            "import_module('c.loop').train([])\n"
        ),
    )(project)
    _rewrite("c/loop.py", lambda text: right())(project)
    assert not [f for f in scan(project).findings if f.span.path == "c/loop.py"]
    _rewrite("c/loop.py", lambda text: wrong())(project)
    assert [f for f in scan(project).findings if f.span.path == "c/loop.py"]


@pytest.mark.parametrize("what", ["version", "file", "python", "package"])
def test_another_tool_has_other_answers(
    project: Path, judged: list[str], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    scan(project)
    judged.clear()
    if what == "version":
        monkeypatch.setattr(dependents, "__version__", "0.0.1")
        assert dpmigrate.__version__ != "0.0.1"
    elif what == "file":
        monkeypatch.setattr(dependents, "_content", lambda path: f"changed {path}")
    elif what == "python":
        monkeypatch.setattr(sys, "version", "3.99")
    else:
        monkeypatch.setattr(dependents, "_release", lambda package: f"{package}-99.dist-info")
    scan(project)
    assert judged == ["a/helper.py", "b/train.py"]


@pytest.mark.parametrize("damage", [b"", b"x", b"null", b'[["nonsense"]]', None])
def test_a_damaged_entry_is_as_none(project: Path, damage: bytes | None) -> None:
    first = scan(project)
    for path in (project.parent / "cache").rglob("*"):
        if path.is_file() and len(path.parent.name) == 2:
            held = path.read_bytes()
            path.write_bytes(held[: len(held) // 2] if damage is None else damage)
    assert scan(project) == first


def test_an_entry_under_another_name_is_as_none(tmp_path: Path) -> None:
    kept = cache.Cache(str(tmp_path))
    one, two = cache.bytes_digest(b"one"), cache.bytes_digest(b"two")
    kept.put(one, ["answer"])
    kept.put(two, ["other"])
    shutil.copy(tmp_path / one[:2] / one[2:], tmp_path / two[:2] / two[2:])
    assert (kept.get(one), kept.get(two)) == (["answer"], None)


def test_an_answer_of_the_wrong_form_is_as_none(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = scan(project)
    monkeypatch.setattr(cache.Cache, "get", lambda self, key: [["nonsense"]])
    assert scan(project) == first


def test_a_file_that_changes_meanwhile_leaves_no_answer(
    project: Path, judged: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    analyse = scanning._of_part

    def meddled(project_: Project, part: Part) -> scanning._Answer:
        _rewrite("a/helper.py", lambda text: right())(project)
        return analyse(project_, part)

    (project / "a" / "helper.py").write_text(wrong().replace("from opacus", "from  opacus"), encoding="utf-8")
    with monkeypatch.context() as patched:
        patched.setattr(scanning, "_of_part", meddled)
        scan(project)
    assert scan(project) == scan(project, kept=False)


def test_several_processes_share_a_folder(project: Path) -> None:
    command = [sys.executable, "-m", "dpmigrate", "scan", "--format", "json", "--exit-zero"]
    command += ["--cache-dir", str(project.parent / "cache")]
    running = [
        subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    answers = [process.communicate(timeout=300) for process in running]
    assert {err for _, err in answers} == {b""}
    assert len({out for out, _ in answers}) == 1
    left = [p.name for p in (project.parent / "cache").rglob("*") if "." in p.name.strip(".")]
    assert left == ["CACHEDIR.TAG"]


def test_a_folder_that_cannot_be_used_costs_no_answer(project: Path) -> None:
    (project.parent / "cache").write_text("a file\n", encoding="utf-8")
    assert scan(project) == scan(project, kept=False)


def test_what_is_not_used_for_long_goes(tmp_path: Path) -> None:
    kept = cache.Cache(str(tmp_path))
    old, new = cache.bytes_digest(b"old"), cache.bytes_digest(b"new")
    kept.put(old, 1)
    os.utime(tmp_path / old[:2] / old[2:], (0, 0))
    kept.put(new, 2)
    assert kept.get(old) == 1, "not swept twice a day"
    os.utime(tmp_path / old[:2] / old[2:], (0, 0))
    os.utime(tmp_path / "CACHEDIR.TAG", (0, 0))
    kept.put(new, 2)
    assert (kept.get(old), kept.get(new)) == (None, 2)


def test_the_platform_s_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache.default_folder() == str(tmp_path / ".cache" / "dpmigrate")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.default_folder() == str(tmp_path / "xdg" / "dpmigrate")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache.default_folder() == str(tmp_path / "xdg" / "dpmigrate")
