"""A few inputs of each kind that `make fuzz` tries for long, and that it keeps what fails."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from tests.fuzzing import run

FEW = {"code": 6, "foreign": 3, "notebooks": 6, "pins": 40, "configuration": 6, "reports": 10}


@pytest.mark.parametrize("name", FEW)
def test_some_inputs(tmp_path: Path, name: str) -> None:
    for number in range(FEW[name]):
        folder = tmp_path / str(number)
        folder.mkdir()
        run.KINDS[name](Random(f"{name} {number}"), folder)


def fails(rng: Random, folder: Path) -> None:
    (folder / "input.txt").write_text("an input")
    raise AssertionError("it does not hold")


def dies(rng: Random, folder: Path) -> None:
    (folder / "input.txt").write_text("an input")
    os.kill(os.getpid(), signal.SIGKILL)


def takes_for_ever(rng: Random, folder: Path) -> None:
    (folder / "input.txt").write_text("an input")
    while True:
        pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="inputs are tried in forks")
@pytest.mark.parametrize(
    ("kind", "why"), [(fails, "it does not hold"), (dies, "status 9"), (takes_for_ever, "TooLongError")]
)
def test_what_fails_is_kept_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Callable[[Random, Path], None], why: str
) -> None:
    monkeypatch.setitem(run.KINDS, "planted", kind)
    monkeypatch.setattr(run, "LONGEST", 0.2)
    inputs, _, failed = run.batch("planted", 0, tmp_path, seconds=0)
    assert (inputs, failed) == (0 if kind is dies else 1, 1)
    assert why in (tmp_path / "planted-0/why.txt").read_text()
    assert (tmp_path / "planted-0/input.txt").read_text() == "an input"
