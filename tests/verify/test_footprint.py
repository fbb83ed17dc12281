"""What a script writes is taken back, and what it lacks can be given."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from dpmigrate.runtime.run.processes.footprint import KEPT, MANIFEST, keep, left_behind, put_back, taken_back
from tests.verify.running import HERE
from tests.verify.warm import verify


def test_files_are_put_back_and_new_ones_are_gone(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "checkpoint.pt").write_text("mine")
    (tmp_path / "gone.txt").write_text("still here")
    (tmp_path / "train.py").write_text("1")
    kept = tmp_path_factory.mktemp("call") / KEPT
    with taken_back(tmp_path, kept):
        (tmp_path / "checkpoint.pt").write_text("the script's")
        (tmp_path / "gone.txt").unlink()
        (tmp_path / "train.py").write_text("edited while the script runs")
        (tmp_path / "runs" / "1").mkdir(parents=True)
        (tmp_path / "runs" / "1" / "log.txt").write_text("new")
    assert (tmp_path / "checkpoint.pt").read_text() == "mine"
    assert (tmp_path / "gone.txt").read_text() == "still here"
    assert (tmp_path / "train.py").read_text() == "edited while the script runs"
    assert not (tmp_path / "runs").exists()
    assert not kept.exists()
    told = capsys.readouterr().err
    assert "checkpoint.pt, which was put back" in told
    assert f"new files were removed (1; --in-place keeps them): {Path('runs', '1', 'log.txt')}" in told


def test_what_others_write_meanwhile_is_left(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    others = (
        "echo more >> shared.log; echo new > theirs.txt; mkdir sub; echo new > sub/theirs.txt; "
        "mkdir -p runs empty; echo new > runs/theirs.txt"
    )
    (tmp_path / "shared.log").write_text("of yesterday\n")
    (tmp_path / "runs").mkdir()
    link = tmp_path.with_name("link")
    link.symlink_to(tmp_path)
    with taken_back(tmp_path, tmp_path_factory.mktemp("call") / KEPT):
        subprocess.run(others, shell=True, cwd=tmp_path, check=True)
        (link / "runs").mkdir(exist_ok=True)
        (link / "out" / "deep").mkdir(parents=True)
        subprocess.run("echo of a library > out/deep/weights.bin", shell=True, cwd=tmp_path, check=True)
        (link / "runs" / "mine.txt").write_text("the script's")
    left = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
    assert left == ["runs/theirs.txt", "shared.log", "sub/theirs.txt", "theirs.txt"]
    assert (tmp_path / "shared.log").read_text() == "of yesterday\nmore\n"
    assert not (tmp_path / "out").exists()
    assert (tmp_path / "empty").exists()
    told = capsys.readouterr().err
    assert "new files were removed (2; --in-place keeps them): out/deep/weights.bin, runs/mine.txt" in told
    assert "new files were left (3; the script was not seen to write them): runs/theirs.txt, sub/" in told
    former = Path(told.partition("as it was: ")[2].split()[0])
    assert former.read_text() == "of yesterday\n"
    former.unlink()
    former.parent.rmdir()


def test_what_a_script_removes_with_its_folder_comes_back(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "model.bin").write_text("mine")
    (tmp_path / "first.txt").write_text("mine")
    with taken_back(tmp_path, tmp_path_factory.mktemp("call") / KEPT):
        shutil.rmtree(tmp_path / "old")
        (tmp_path / "first.txt").rename(tmp_path / "second.txt")
    assert (tmp_path / "old" / "model.bin").read_text() == "mine"
    assert (tmp_path / "first.txt").read_text() == "mine"
    assert not (tmp_path / "second.txt").exists()


def test_what_the_call_itself_prints_to_is_left_alone(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    kept = tmp_path_factory.mktemp("call") / KEPT
    program = (
        "from pathlib import Path\n"
        "from dpmigrate.runtime.run.processes.footprint import taken_back\n"
        f"with taken_back(Path.cwd(), Path({str(kept)!r})):\n"
        "    print('printed', flush=True)\n"
        "    Path('tee.txt').write_text('teed')\n"
    )
    log = tmp_path / "log.txt"
    log.write_text("of yesterday\n")
    (tmp_path / "tee.txt").touch()
    with log.open("a") as appended:
        done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, stdout=appended, check=True)
    assert done.returncode == 0
    assert log.read_text() == "of yesterday\nprinted\n"
    assert (tmp_path / "tee.txt").read_text() == "teed"


def test_who_waits_puts_back_what_a_killed_process_kept(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    mine = tmp_path / "checkpoint.pt"
    mine.write_text("mine")
    kept = tmp_path_factory.mktemp("call") / KEPT
    keep(tmp_path, kept)
    mine.write_text("the script's")
    put_back(kept)
    assert mine.read_text() == "mine"
    mine.write_text("the user's, later")
    put_back(kept)
    assert mine.read_text() == "the user's, later"


def test_the_next_call_is_told_of_what_nobody_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, scratch = tmp_path / "project", tmp_path / "scratch"
    project.mkdir()
    (scratch / "dpmigrate-1").mkdir(mode=0o700, parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    keep(project, scratch / "dpmigrate-1" / KEPT)
    assert left_behind(project) == [], "this very process may still put it back"
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    manifest = scratch / "dpmigrate-1" / KEPT / MANIFEST
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"process": gone.pid}))
    assert left_behind(project) == [scratch / "dpmigrate-1" / KEPT]
    assert left_behind(tmp_path) == [], "another folder's"


@pytest.mark.opacus
@pytest.mark.slow
def test_stand_in_for_a_missing_module(tmp_path: Path) -> None:
    source = "from nowhere import SIZE\nopen('seen.txt', 'w').write(str(SIZE))\n"
    (tmp_path / "train.py").write_text(source + (HERE / "train_hooks.py").read_text(encoding="utf-8"))
    (tmp_path / "given.py").write_text("SIZE = 3\n")
    options = ("--checks", "noise-std", "--in-place", "--with", "nowhere=given.py")
    done = verify("1.6.0", *options, "train.py", cwd=tmp_path)
    assert done.status == 0, done.stderr[-2000:]
    assert (tmp_path / "seen.txt").read_text() == "3"


@pytest.mark.opacus
@pytest.mark.slow
def test_what_torch_saves_is_taken_back(tmp_path: Path) -> None:
    saved = "import torch\ntorch.save({}, 'mine.pt')\ntorch.save(obj={}, f='new.pt')\n"
    (tmp_path / "train.py").write_text(saved + (HERE / "train_hooks.py").read_text(encoding="utf-8"))
    (tmp_path / "mine.pt").write_text("mine")
    done = verify("1.6.0", "--checks", "noise-std", "train.py", cwd=tmp_path)
    assert done.status == 0, done.stderr[-2000:]
    assert (tmp_path / "mine.pt").read_text() == "mine"
    assert not (tmp_path / "new.pt").exists()


def _opens_to_all(call: Path) -> None:
    call.chmod(0o777)


def _is_a_link(call: Path) -> None:
    call.rename(call.with_name("elsewhere")).with_name("dpmigrate-link").symlink_to("elsewhere")


@pytest.mark.parametrize("plant", [_opens_to_all, _is_a_link, None])
def test_what_another_user_may_have_planted_is_not_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plant: Callable[[Path], None] | None
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    here = tmp_path / "project"
    here.mkdir()
    call = tmp_path / "dpmigrate-abcdefgh"
    call.mkdir(mode=0o700)
    keep(here, call / KEPT)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    manifest = json.loads((call / KEPT / MANIFEST).read_text())
    (call / KEPT / MANIFEST).write_text(json.dumps({**manifest, "process": ended.pid}))
    if plant is not None:
        plant(call)
    assert left_behind(here) == ([] if plant else [call / KEPT])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no named pipes")
def test_a_pipe_that_another_user_planted_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "dpmigrate-pipe" / KEPT).mkdir(parents=True)
    (tmp_path / "dpmigrate-pipe").chmod(0o755)
    os.mkfifo(tmp_path / "dpmigrate-pipe" / KEPT / MANIFEST)
    code = (
        "import sys, tempfile\nfrom pathlib import Path\n"
        "from dpmigrate.runtime.run.processes.footprint import left_behind\n"
        "tempfile.tempdir = sys.argv[1]\nprint(left_behind(Path.cwd()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=600, check=True
    )
    assert done.stdout == "[]\n"
