"""What a script writes is taken back, and what it lacks can be given."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate.runtime.run.footprint import taken_back
from tests.verify.running import HERE, verify


def test_files_are_put_back_and_new_ones_are_gone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "checkpoint.pt").write_text("mine")
    (tmp_path / "gone.txt").write_text("still here")
    with taken_back(tmp_path):
        (tmp_path / "checkpoint.pt").write_text("the script's")
        (tmp_path / "gone.txt").unlink()
        (tmp_path / "log.txt").write_text("new")
    assert (tmp_path / "checkpoint.pt").read_text() == "mine"
    assert (tmp_path / "gone.txt").read_text() == "still here"
    assert not (tmp_path / "log.txt").exists()
    assert "checkpoint.pt, which was put back" in capsys.readouterr().err


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
