"""Which git is asked, and what stands in the place of a file by the time that it is read."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dpmigrate.scanning import changes
from dpmigrate.workspace import reading
from dpmigrate.workspace.errors import UsageError
from dpmigrate.workspace.settings import Settings
from tests.safety.test_nothing_runs import FAULTY, git


@pytest.fixture(autouse=True)
def looked_up_anew() -> None:
    changes._program.cache_clear()


@pytest.mark.parametrize("entry", ["", ".", "bin"])
def test_git_is_never_one_of_the_folder_at_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str
) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "train.py").write_text((FAULTY / "train.py").read_text(encoding="utf-8"), encoding="utf-8")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "a")
    mark = tmp_path.parent / "mark"
    planted = tmp_path / entry / "git"
    planted.parent.mkdir(exist_ok=True)
    planted.write_text(f"#!/bin/sh\ntouch {mark}\n")
    planted.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{entry}{os.pathsep}{os.environ['PATH']}")
    assert changes._git(str(tmp_path), "rev-parse", "--verify", "HEAD") is not None
    assert not mark.exists()


def test_a_folder_that_looks_like_a_repository_without_files_is_none(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare")
    assert changes._git(str(tmp_path), "rev-parse", "--git-dir") is None
    (tmp_path / "below").mkdir()
    assert changes._git(str(tmp_path / "below"), "rev-parse", "--git-dir") is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no named pipes")
def test_a_repository_of_pipes_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / ".git" / "HEAD").unlink()
    os.mkfifo(tmp_path / ".git" / "HEAD")
    monkeypatch.setattr(changes, "SECONDS", 0.5)
    start = time.monotonic()
    with pytest.raises(UsageError, match="gave no answer"):
        changes.Changes("HEAD", Settings(str(tmp_path)), [str(tmp_path)])
    assert time.monotonic() - start < 10


def _a_link_out(path: Path) -> None:
    path.symlink_to(path.parent.parent / "outside.py")


def _a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _a_pipe(path: Path) -> None:
    os.mkfifo(path)


def _a_folder(path: Path) -> None:
    path.mkdir()


def _nothing(path: Path) -> None:
    """It is gone."""


@pytest.mark.parametrize("becomes", [_a_link_out, _a_device, _a_pipe, _a_folder, _nothing])
def test_a_file_that_is_another_by_the_time_it_is_read(
    tmp_path: Path, becomes: Callable[[Path], None]
) -> None:
    (tmp_path / "outside.py").write_text("import opacus\n")
    path = tmp_path / "project" / "train.py"
    path.parent.mkdir()
    (path.parent / "other.py").write_text("import opacus\n")
    becomes(path)
    told = reading.telling([str(path), str(path.with_name("other.py"))], (b"opacus",))
    assert list(told.data) == [str(path.with_name("other.py"))]
    assert [n.path for n in told.not_analysed] in ([], [str(path)])
    assert bool(told.not_analysed) is (becomes in (_a_link_out, _a_device, _a_folder))
