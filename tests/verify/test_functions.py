"""A function that trains, handed over by a factory or in a test, is judged as the script that calls it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.opacus_releases import environment
from tests.verify.conduct import CALL, LOOP, PROGRAM
from tests.verify.running import PATIENCE
from tests.verify.warm import verify

pytestmark = [pytest.mark.opacus, pytest.mark.slow]

FUNCTIONS = f"def main():\n    {CALL}\n\ndef program():\n    return main\n"

TESTS = """
import pytest
import torch
from dpmigrate.runtime import check_training
from right import main as right
from wrong import main as wrong

def test_right(training_check):
    torch.set_num_threads(2)
    (torch.ones(300, 300) @ torch.ones(300, 300)).sum()
    assert training_check(right, steps=2, checks=["private-loader", "accounting", "sensitivity"]).passed
    assert torch.get_num_threads() == 2

def test_wrong(training_check):
    training_check(wrong, steps=2, checks=["private-loader"])

def test_nothing_to_judge():
    with pytest.raises(Exception, match="no private run was seen"):
        check_training(lambda: None)
"""


def written(folder: Path, name: str, loop: str) -> None:
    """The program of test_conduct with its loop, as a module whose functions nobody has called yet."""
    text = PROGRAM.replace(CALL, FUNCTIONS).replace(LOOP, loop)
    (folder / f"{name}.py").write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("loader", "failing"), [("loader", set()), ("public", {("private-loader", "DPM301")})]
)
def test_a_factory_may_return_what_trains(
    tmp_path: Path, loader: str, failing: set[tuple[str, str | None]]
) -> None:
    written(tmp_path, "train", LOOP.replace("loader", loader))
    done = verify("1.6.0", "--factory", "train:program", cwd=tmp_path)
    assert done.failing == failing, done.stderr[-2000:]
    assert done.status == (1 if failing else 0)
    assert done.report["engines"][0]["path"] == "train.py"


def test_a_test_may_hand_over_what_trains(tmp_path: Path) -> None:
    written(tmp_path, "right", LOOP)
    written(tmp_path, "wrong", LOOP.replace("loader", "public"))
    (tmp_path / "test_it.py").write_text(TESTS, encoding="utf-8")
    plugins = ["-p", "no:cacheprovider", "-p", "dpmigrate.pytest_plugin"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugins, "--rootdir", str(tmp_path), str(tmp_path)],
        cwd=tmp_path,
        env=environment("1.6.0") | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert "1 failed, 2 passed" in done.stdout, done.stdout
    assert "private training is not right under Opacus 1.6.0" in done.stdout
    assert "DPM301 private-loader-unused" in done.stdout
