"""Files of any name are fixed, and what a killed fix left beside them is known for what it is."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from dpmigrate.cli import run
from dpmigrate.workspace.names import temporary_name, writer_of
from tests.opacus_releases import CHECKOUT

FIXTURE = CHECKOUT / "fixtures" / "single-script"
ODD = [
    "\N{CJK UNIFIED IDEOGRAPH-6F22}" * 84 + ".py",
    "\N{SNAKE}" * 63 + ".py",
    "a" * 252 + ".py",
    "two\nlines\x1b[2J\u202e.py",
    os.fsdecode(b"no \xff\xfe UTF-8.py"),
    "-rf .py",
]


@pytest.mark.parametrize("name", ODD)
def test_a_file_of_any_name_is_fixed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    shutil.copytree(FIXTURE / "before", tmp_path, dirs_exist_ok=True)
    (tmp_path / "train.py").rename(tmp_path / name)
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    assert run(["fix", "--apply", "."]) == 0, capsys.readouterr().err
    assert (tmp_path / name).read_bytes() == (FIXTURE / "after" / "train.py").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([".git", name, "requirements.txt"])


@pytest.mark.parametrize("name", ODD)
def test_what_a_killed_fix_left_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    left = temporary_name(name, 2**22 + 1, "0123456789abcdef")  # no process has such a number
    assert len(os.fsencode(left)) <= 255
    assert writer_of(left) == 2**22 + 1
    (tmp_path / left).write_text("import opacus\n", encoding="utf-8")
    (tmp_path / ".git").mkdir()
    (tmp_path / "a.py").write_text("x = 1\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert run(["fix", "--apply", "."]) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == [".git", "a.py"]
