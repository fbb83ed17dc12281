"""Findings that are known: a baseline, and the lines that changed since a revision."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dpmigrate import api
from dpmigrate.cli import run
from dpmigrate.model import ScanResult
from dpmigrate.scanning.baseline import baseline_text, read_baseline
from dpmigrate.workspace.errors import UsageError
from dpmigrate.workspace.settings import Settings
from tests.scan.programs import lay_out, right, wrong

LOUD = wrong().replace("torch.manual_seed(1)", "torch.manual_seed(int(input()))")


def scan(folder: Path, *paths: str, **options: Any) -> ScanResult:
    return api.scan(paths or (".",), settings=Settings(str(folder)), **options)


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    subprocess.run(
        ["git", *identity, *arguments],
        cwd=folder,
        env=environment,
        check=True,
        capture_output=True,
        timeout=30,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    return lay_out(tmp_path, pkg__train=LOUD, pkg__twice=f"{LOUD}\n{LOUD.replace('def train', 'def again')}")


@pytest.fixture
def entries(project: Path) -> Any:
    path = project / "known.json"
    path.write_text(baseline_text(scan(project)), encoding="utf-8")
    return read_baseline(str(path), "known.json")


def test_what_is_known_is_not_reported_and_is_listed(project: Path, entries: Any) -> None:
    assert len(entries) == 3
    result = scan(project, baseline=entries)
    assert (result.findings, result.gone) == ((), ())
    assert [held.by for held in result.suppressed] == ["baseline"] * 3


@pytest.mark.parametrize("folder", ["pkg", ".."])
def test_it_holds_from_every_folder(project: Path, entries: Any, folder: str) -> None:
    assert scan(project / folder, str(project), baseline=entries).findings == ()


def test_it_outlives_new_lines_and_other_spaces(project: Path, entries: Any) -> None:
    train = project / "pkg" / "train.py"
    text = train.read_text(encoding="utf-8").replace("loss.backward()", "loss.backward( )")
    train.write_text("# more\n\n" + text.replace("loss.backward( )", "loss.backward()"), encoding="utf-8")
    assert scan(project, baseline=entries).findings == ()


def test_what_is_new_is_reported_also_in_a_line_that_is_known(project: Path, entries: Any) -> None:
    lay_out(project, pkg__new=LOUD)
    assert [f.span.path for f in scan(project, baseline=entries).findings] == ["pkg/new.py"]
    lay_out(project, pkg__train=f"{LOUD}\n{LOUD.replace('def train', 'def again')}")
    paths = [f.span.path for f in scan(project, baseline=entries).findings]
    assert paths == ["pkg/new.py", "pkg/train.py"]


def test_what_went_away_is_said_of_what_was_looked_at(project: Path, entries: Any) -> None:
    lay_out(project, pkg__train=right(), pkg__twice=LOUD)
    gone = scan(project, baseline=entries).gone
    assert [entry.partition(":")[0] for entry in gone] == ["pkg/train.py", "pkg/twice.py"]
    assert "DPM103" in gone[0]
    assert len(scan(project, "pkg/train.py", baseline=entries).gone) == 1
    only_others = Settings(str(project)).given._replace(select=("DPM2",))
    assert api.scan(["."], settings=Settings(str(project), only_others), baseline=entries).gone == ()


def test_a_file_that_cannot_be_read_is_never_known(project: Path) -> None:
    lay_out(project, pkg__broken="import opacus\nx = (\n")
    result = scan(project)
    assert "DPM000" in {f.rule for f in result.findings}
    assert "DPM000" not in baseline_text(result)


def test_the_same_findings_give_the_same_bytes(project: Path, entries: Any) -> None:
    before = (project / "known.json").read_text(encoding="utf-8")
    assert baseline_text(scan(project / "pkg", str(project))) == before
    assert baseline_text(scan(project, baseline=entries)) == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[", "is no JSON"),
        ("[]", "is no baseline"),
        ('{"schema": 9, "findings": []}', "is no baseline"),
        ('{"schema": 1}', "is damaged"),
        ('{"schema": 1, "findings": [{"rule": "DPM101"}]}', "is damaged"),
        (None, "cannot be read: no such file"),
    ],
)
def test_a_file_that_is_no_baseline_is_wrong_usage(tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / "known.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=said):
        read_baseline(str(path), "known.json")


def test_the_commands(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project)
    assert run(["scan"]) == 1
    assert run(["scan", "--write-baseline", "known.json"]) == 0
    said = capsys.readouterr().err
    assert said == "3 findings in known.json: from now on, --baseline known.json reports only what is new.\n"
    assert run(["scan", "--baseline", "known.json"]) == 0
    assert "3 suppressed: 3 by the baseline (-v lists what)\nNo findings\n" in capsys.readouterr().out
    lay_out(project, pkg__train=right())
    assert run(["scan", "--baseline", "known.json", "--format", "json"]) == 0
    shown = capsys.readouterr()
    assert [f["by"] for f in json.loads(shown.out)["suppressed"]] == ["baseline"] * 2
    assert "1 finding of known.json no longer there" in shown.err
    assert "pkg/train.py: DPM103" in shown.err


class TestChangedLines:
    """``--diff-base``."""

    @pytest.fixture
    def committed(self, project: Path) -> Path:
        git(project, "add", ".")
        git(project, "commit", "-q", "-m", "a")
        return project

    def test_nothing_changed_nothing_reported(self, committed: Path) -> None:
        assert len(scan(committed).findings) == 3
        assert scan(committed, diff_base="HEAD").findings == ()

    @pytest.mark.parametrize("folder", [".", "pkg"])
    def test_only_what_stands_on_changed_lines(self, committed: Path, folder: str) -> None:
        twice = committed / "pkg" / "twice.py"
        head, _, tail = twice.read_text(encoding="utf-8").rpartition("loss.backward()")
        twice.write_text(f"# above\n{head}loss.backward()  # changed{tail}", encoding="utf-8")
        lay_out(committed, pkg__new=LOUD)
        findings = scan(committed / folder, str(committed), diff_base="HEAD").findings
        assert sorted(Path(f.span.path).name for f in findings) == ["new.py", "twice.py"]
        git(committed, "add", ".")
        git(committed, "commit", "-q", "-m", "b")
        assert scan(committed / folder, str(committed), diff_base="HEAD").findings == ()
        assert len(scan(committed / folder, str(committed), diff_base="HEAD~1").findings) == 2

    def test_a_cell_of_a_notebook_counts_by_its_lines_in_the_file(self, project: Path) -> None:
        def notebook(*cells: str) -> str:
            sources = [{"cell_type": "code", "source": text.splitlines(keepends=True)} for text in cells]
            return json.dumps({"cells": sources}, indent=1)

        path = project / "study.ipynb"
        again = LOUD.replace("def train", "def again")
        path.write_text(notebook(LOUD, again), encoding="utf-8")
        git(project, "add", ".")
        git(project, "commit", "-q", "-m", "a")
        assert scan(project, diff_base="HEAD").findings == ()
        path.write_text(
            notebook("# new", LOUD, again.replace("backward()", "backward()  # x")), encoding="utf-8"
        )
        (finding,) = scan(project, diff_base="HEAD").findings
        assert finding.span.cell == 2

    def test_a_broken_file_that_did_not_change_is_no_concern(self, project: Path) -> None:
        lay_out(project, broken="import opacus\nx = (\n")
        git(project, "add", ".")
        git(project, "commit", "-q", "-m", "a")
        assert scan(project).not_analysed
        assert scan(project, diff_base="HEAD").not_analysed == ()
        lay_out(project, broken="import opacus\ny = (\n")
        assert scan(project, diff_base="HEAD").not_analysed

    def test_a_file_that_was_renamed_is_held_against_what_it_was(self, committed: Path) -> None:
        (committed / "pkg" / "train.py").rename(committed / "pkg" / "moved.py")
        assert scan(committed, diff_base="HEAD").findings == ()
        git(committed, "add", "-A")
        lay_out(committed, pkg__moved=LOUD.replace("loss.backward()", "loss.backward()  # changed"))
        (finding,) = scan(committed, diff_base="HEAD").findings
        assert finding.span.path == "pkg/moved.py"
        git(committed, "add", "-A")
        git(committed, "commit", "-q", "-m", "moved")
        assert len(scan(committed, diff_base="HEAD~1").findings) == 1

    def test_a_copy_is_new_and_so_is_what_only_has_the_suffix_of_a_file_that_went(
        self, committed: Path
    ) -> None:
        lay_out(committed, pkg__copied=LOUD, gone="x = 1\n")
        git(committed, "add", "-A")
        git(committed, "commit", "-q", "-m", "b")
        (committed / "gone.py").unlink()
        lay_out(committed, pkg__new=LOUD.replace("def train", "def anew"))
        assert {f.span.path for f in scan(committed, diff_base="HEAD").findings} == {"pkg/new.py"}
        assert {f.span.path for f in scan(committed, diff_base="HEAD~1").findings} == {
            "pkg/copied.py",
            "pkg/new.py",
        }

    def test_what_the_other_branch_changed_meanwhile_is_not_this_ones_change(self, committed: Path) -> None:
        git(committed, "branch", "-q", "feature")
        lay_out(committed, pkg__train=LOUD.replace("loss.backward()", "loss.backward()  # theirs"))
        git(committed, "commit", "-q", "-a", "-m", "theirs")
        git(committed, "branch", "-q", "theirs")
        git(committed, "checkout", "-q", "feature")
        lay_out(committed, pkg__new=LOUD)
        assert {f.span.path for f in scan(committed, diff_base="theirs").findings} == {"pkg/new.py"}
        git(committed, "add", "-A")
        git(committed, "commit", "-q", "-m", "ours")
        git(committed, "merge", "-q", "--no-edit", "theirs")
        assert {f.span.path for f in scan(committed, diff_base="theirs").findings} == {"pkg/new.py"}

    def test_what_stands_on_other_lines_is_counted(
        self, committed: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(committed)
        assert run(["scan", "--diff-base", "HEAD"]) == 0
        assert (
            "3 left out: on lines that did not change (--diff-base)\nNo findings\n" in capsys.readouterr().out
        )

    def test_a_shallow_clone_is_told_what_to_fetch(self, committed: Path, tmp_path: Path) -> None:
        lay_out(committed, pkg__new=LOUD)
        git(committed, "add", "-A")
        git(committed, "commit", "-q", "-m", "b")
        git(tmp_path, "clone", "-q", "--depth", "1", committed.as_uri(), "shallow")
        with pytest.raises(UsageError, match=r"cloned without its history.*--unshallow.*fetch-depth: 0"):
            scan(tmp_path / "shallow", diff_base="HEAD~1")
        assert scan(tmp_path / "shallow", diff_base="HEAD").findings == ()

    @pytest.mark.parametrize("revision", ["nowhere", "--help", "", "HEAD:pkg"])
    def test_what_is_no_revision_is_wrong_usage(self, committed: Path, revision: str) -> None:
        with pytest.raises(UsageError, match=r"--diff-base: .* is no revision"):
            scan(committed, diff_base=revision)

    def test_without_a_repository_it_is_wrong_usage(self, tmp_path: Path) -> None:
        lay_out(tmp_path, train=LOUD)
        with pytest.raises(UsageError, match="no revision of a git repository"):
            scan(tmp_path, diff_base="HEAD")

    def test_no_program_of_the_repository_is_started(self, committed: Path) -> None:
        mark = committed / "started"
        program = committed / "program.sh"
        program.write_text(f"#!/bin/sh\ntouch {mark}\ncat\n", encoding="utf-8")
        program.chmod(0o755)
        for key in (
            "diff.external",
            "core.fsmonitor",
            "filter.x.clean",
            "filter.x.smudge",
            "diff.x.textconv",
        ):
            git(committed, "config", key, str(program))
        (committed / ".gitattributes").write_text("*.py filter=x diff=x\n", encoding="utf-8")
        lay_out(committed, pkg__train=f"{LOUD}\n# changed\n")
        assert scan(committed, diff_base="HEAD").findings == ()
        assert not mark.exists()
