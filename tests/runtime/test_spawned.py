"""Processes that a script spawns: their records, and whose failure is told."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from dpmigrate.runtime.run import spawned  # noqa: E402
from dpmigrate.runtime.run.records import RunRecord  # noqa: E402


def test_ranks_do_not_take_each_others_partial_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Path] = []
    save = torch.save

    def remember(record: Any, path: Path) -> None:
        written.append(path)
        save(record, path)

    monkeypatch.setattr(torch, "save", remember)
    for rank in range(2):
        RunRecord(rank=rank).save(spawned.path_of_rank(tmp_path / "run-0.pt", rank))
    assert len(set(written)) == 2
    assert [r.rank for r in spawned.others(tmp_path / "run-0.pt", 2)] == [1]


def child(does: Callable[[], None]) -> int:
    pid = os.fork()
    if not pid:
        does()
        os._exit(0)
    return pid


def test_the_first_failure_is_told_and_ends_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spawned, "GRACE", 0.1)
    begun = time.monotonic()
    waits, fails = child(lambda: time.sleep(60)), child(lambda: os._exit(3))
    failed = spawned._first_that_failed([waits, fails])
    assert failed is not None and failed[0] == 1
    assert spawned._end(failed[1]) == "exit status 3"
    assert time.monotonic() - begun < 30


def test_a_process_that_was_killed_is_named_by_its_signal() -> None:
    pid = child(lambda: time.sleep(60))
    os.kill(pid, signal.SIGKILL)
    failed = spawned._first_that_failed([pid])
    assert failed is not None and spawned._end(failed[1]) == "signal 9"


def test_processes_that_end_well_are_no_failure() -> None:
    assert spawned._first_that_failed([child(lambda: None), child(lambda: None)]) is None
