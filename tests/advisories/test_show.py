"""The command for whoever writes rules: runs with their events, objects and facts."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from dpmigrate.advisories import vocabulary
from dpmigrate.advisories.show import main
from tests.fixtures_support import FIXTURES
from tests.scan.programs import lay_out, wrong


def test_it_prints_runs_with_objects_events_and_facts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_out(tmp_path, train=wrong() + "\ntrain([])\n")
    monkeypatch.chdir(tmp_path)
    assert main(["train.py"]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "RUN train.py:12 make_private, mode 'ghost' of ghost"
    assert any(line.startswith("train.py:18 Backward(loss=other, maker=loss-function") for line in lines)
    assert "noise_multiplier = 1.0" in lines and "through train.py:22" in lines
    told = lines[lines.index("backward at train.py:18") + 1 :]
    assert "unwrapped" in told[0].removeprefix("yes: ").split(", ")


def test_it_says_that_there_is_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_out(tmp_path, plain="import torch\n")
    monkeypatch.chdir(tmp_path)
    assert main(["plain.py"]) == 0
    assert capsys.readouterr().out == "no private run\n"
    assert main(["nowhere.py"]) == 2
    assert "nowhere.py" in capsys.readouterr().err


def test_it_shows_no_trees_and_no_addresses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(FIXTURES / "trainer-class" / "before", tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    assert main(["."]) == 0
    shown = capsys.readouterr().out
    assert "module = instance TinyClassifier (made at run_classification.py:31)" in shown
    assert not re.search(r"\d{9}|cst|Node\(|whitespace", shown)


def test_it_lists_what_a_rule_may_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert vocabulary.main() == 0
    lines = capsys.readouterr().out.splitlines()
    asked = lines[next(i for i, line in enumerate(lines) if line.startswith("    epsilon-asked: ")) + 1]
    assert asked == "        event.aimed"
    assert "        {event.text}" in lines and any(
        line.startswith("    in_training_loop: ") for line in lines
    )
