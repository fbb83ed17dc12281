"""A file whose name looks like an option is told of: names that are handed on must not steer a scan."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dpmigrate.cli import run
from tests.opacus_releases import CHECKOUT
from tests.safety.test_nothing_runs_in_hooks_and_editors import HOOKS

FAULTY = CHECKOUT / "fixtures" / "single-script" / "before"
NAMES = ("--baseline=known.py", "--output=train.py", "--config=pyproject.toml", "-otrain.py", "--select=x.py")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_takes_no_option_from_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, hook: str
) -> None:
    shutil.copytree(FAULTY, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    assert run(["scan", "--write-baseline", "known.py", "."]) == 0
    (tmp_path / name).touch()
    before = (tmp_path / "train.py").read_bytes()
    assert run([*HOOKS[hook], name, "train.py"]) == 2
    assert f"write ./{name} for the file" in capsys.readouterr().err
    assert (tmp_path / "train.py").read_bytes() == before
    assert run(["scan", f"./{name}", "--", name, "train.py"]) == 1


def test_an_option_that_is_no_file_is_an_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(FAULTY, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    assert run(["scan", "--write-baseline=known.json", "."]) == 0
    assert run(["scan", "--baseline=known.json", "."]) == 0
    assert run(["scan", "-q", "."]) == 1
