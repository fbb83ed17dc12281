"""Processes that a script starts: what their records say together, and whose failure is told."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from dpmigrate.runtime.run.processes import ranks, spawned  # noqa: E402
from dpmigrate.runtime.run.records import EngineRecord, Release, RunRecord  # noqa: E402


def run_of(path: str, **of_run: Any) -> EngineRecord:
    names = {"mode": "hooks", "manual": False, "generator": "none", "names": ["w"], "sizes": [1]}
    more = {"shapes": [(1,)], "dtype": "float32", "optimizer": "DPOptimizer"}
    return EngineRecord(path=path, line=1, linear_optimizer=True, wrapped_api=True, **names, **more, **of_run)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return ranks.record_path(tmp_path, 1, 0)


def left(out: Path, number: int, record: RunRecord, at: int) -> None:
    """A process leaves its record, at a second of the clock."""
    path = out.with_name(f"{out.name}.process-{number}")
    record.save(path)
    os.utime(path, (at, at))


def test_a_script_that_starts_none_keeps_its_record(out: Path) -> None:
    own = RunRecord(engines=[run_of("train.py")])
    assert spawned.joined(own, out) is own


def test_ranks_do_not_take_each_others_partial_file(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Path] = []
    save = torch.save

    def remember(record: Any, path: Path) -> None:
        written.append(path)
        save(record, path)

    monkeypatch.setattr(torch, "save", remember)
    for rank in range(2):
        left(out, rank + 1, RunRecord(rank=rank), 9)
    assert len(set(written)) == 2


def test_a_record_that_is_being_written_is_none(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "save", lambda record, path: path.touch())
    monkeypatch.setattr(Path, "replace", lambda path, target: None)
    RunRecord().save(out.with_name(f"{out.name}.process-1"))
    assert len(list(out.parent.iterdir())) == 1
    own = RunRecord()
    assert spawned.joined(own, out) is own


def test_of_one_group_the_first_is_judged_and_the_others_are_its_peers(out: Path) -> None:
    for rank in (1, 0):
        left(out, 1 + rank, RunRecord(engines=[run_of(f"rank{rank}.py")], rank=rank, world=2), 9 - rank)
    record = spawned.joined(RunRecord(), out)
    assert (record.engines[0].path, record.outcome) == ("rank0.py", "ended")
    assert [peer.rank for peer in ranks.peers(out.parent, 1, 600, record.world)] == [1]


def test_processes_that_share_no_group_are_runs_of_one_script(out: Path) -> None:
    told = Release(1.0, None, 1.0, 1.0, torch.zeros(0), 0.0, 0, 0, accounted=[(0, 1.0, 0.1)])
    own = RunRecord(engines=[run_of("a.py")], accountants=["rdp"])
    left(out, 1, RunRecord(engines=[run_of("b.py", releases=[told])], accountants=["prv"]), 1)
    left(out, 2, RunRecord(engines=[run_of("c.py", resumed=(0, "DPM310"))]), 2)
    record = spawned.joined(own, out)
    assert [engine.path for engine in record.engines] == ["a.py", "b.py", "c.py"]
    assert record.accountants == ["rdp", "prv"]
    assert record.engines[1].releases[0].accounted == [(1, 1.0, 0.1)]
    assert record.engines[2].resumed == (2, "DPM310")


def test_the_first_failure_is_told(out: Path) -> None:
    engines = [run_of("train.py")]
    own = RunRecord(outcome="raised", error="ProcessRaisedException: ...")
    left(out, 1, RunRecord("raised", "RuntimeError: peer gone", engines=engines, rank=0, world=2), 2)
    left(out, 2, RunRecord("raised", "ValueError: no data", engines=engines, rank=1, world=2), 1)
    record = spawned.joined(own, out)
    assert (record.outcome, record.error) == ("raised", "ValueError: no data")


def test_what_peers_raise_of_one_that_had_seen_enough_says_nothing(out: Path) -> None:
    engines = [run_of("train.py")]
    left(out, 1, RunRecord("stopped", engines=engines, rank=0, world=2), 1)
    left(out, 2, RunRecord("raised", "RuntimeError: peer gone", engines=engines, rank=1, world=2), 2)
    record = spawned.joined(RunRecord(outcome="raised", error="ProcessRaisedException"), out)
    assert (record.outcome, record.error) == ("stopped", "")
