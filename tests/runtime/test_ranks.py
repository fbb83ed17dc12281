"""What ranks share is theirs alone: nobody else's folder is used, and no code comes out of a record."""

from __future__ import annotations

import os
import pickle
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from dpmigrate.runtime.run.experiments.removal import Removal
from dpmigrate.runtime.run.processes import ranks
from dpmigrate.runtime.run.records import EngineRecord, LogicalStep, PhysicalBatch, RunRecord
from dpmigrate.runtime.run.request import Request

REQUEST = Request("script", "train.py", session="4711")


@pytest.fixture(autouse=True)
def launched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes under one launcher, with a folder of their own for what is temporary."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("MASTER_PORT", "29500")


def folder_of(monkeypatch: pytest.MonkeyPatch, rank: int, request: Request = REQUEST) -> Path:
    monkeypatch.setenv("RANK", str(rank))
    return ranks.shared_folder(request)


def test_all_ranks_find_the_folder_that_rank_0_made(monkeypatch: pytest.MonkeyPatch) -> None:
    made = folder_of(monkeypatch, 0)
    assert folder_of(monkeypatch, 1) == made
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert "4711" not in made.name
    assert "29500" not in made.name


def test_two_runs_have_two_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (
        folder_of(monkeypatch, 0),
        folder_of(monkeypatch, 0, Request("script", "a", session="4712")),
    )
    assert first != second
    assert folder_of(monkeypatch, 1, Request("script", "a", session="4712")) == second


@pytest.mark.parametrize("plant", ["open to all", "a link", "of a process that is gone", "of another user"])
def test_a_folder_that_could_be_another_s_is_not_used(monkeypatch: pytest.MonkeyPatch, plant: str) -> None:
    planted = folder_of(monkeypatch, 0)
    monkeypatch.setattr(ranks, "PATIENCE", 0.3)
    if plant == "open to all":
        planted.chmod(0o777)
    elif plant == "a link":
        planted = planted.rename(planted.with_name("elsewhere"))
        planted.with_name(f"{ranks.PREFIX}link").symlink_to(planted)
    elif plant == "of a process that is gone":
        ended = subprocess.Popen([sys.executable, "-c", ""])
        ended.wait()
        (planted / ranks.SESSION).write_text(f"4711 29500 0 {ended.pid}")
    else:
        monkeypatch.setattr(os, "getuid", lambda: planted.stat().st_uid + 1)
    assert planted != folder_of(monkeypatch, 1)


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    step = LogicalStep(
        [PhysicalBatch(received=torch.arange(3.0))], value=torch.ones(2), max_grad_norm=numpy.float64(0.5)
    )
    engine = EngineRecord(
        "a.py",
        1,
        None,
        "ghost",
        False,
        "none",
        ["w"],
        [3],
        [(3,)],
        "float32",
        "DPOptimizer",
        True,
        True,
        steps=[step],
    )
    record = RunRecord(engines=[engine], removal=[Removal(0, 4, [(1, 0.5)])], positions=[[1, 2]])
    record.save(tmp_path / "run.pt")
    read = RunRecord.load(tmp_path / "run.pt")
    assert read.removal == record.removal
    assert read.engines[0].steps[0].max_grad_norm == 0.5
    received = read.engines[0].steps[0].physical[0].received
    assert received is not None
    assert received.tolist() == [0, 1, 2]


class Malicious:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("whole", [True, False])
def test_nothing_in_a_record_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: bool) -> None:
    folder = folder_of(monkeypatch, 0)
    path = ranks.record_path(folder, 1, 1)
    planted = Malicious(tmp_path / "mark")
    if whole:
        torch.save(RunRecord(removal=planted), path)
    else:
        path.write_bytes(pickle.dumps(planted))
    # What is there is not waited for.
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("waited"))
    assert ranks.peers(folder, 1, 600, 2) == []
    assert not (tmp_path / "mark").exists()
