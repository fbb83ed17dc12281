"""Processes that a script starts itself by ``torch.multiprocessing.spawn``, each watched as a rank.

A spawned process would begin without the shim: here it is forked, and leaves a record of its own.
"""

from __future__ import annotations

import os
import signal
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from dpmigrate.runtime.messages import error_line
from dpmigrate.runtime.run.patching import wrap_method
from dpmigrate.runtime.run.records import RunRecord
from dpmigrate.runtime.run.state import StopTraining, Watch

# Seconds in which the peers of a process that failed may leave their records.
GRACE = 5.0


def install_spawn(watch: Watch, out: Path, complete: Callable[[RunRecord], None]) -> None:
    """Take the place of ``torch.multiprocessing.spawn``; rank i's record lies beside ``out``."""

    def spawn(
        original: Any, /, fn: Any, args: Sequence[Any] = (), nprocs: int = 1, *_: Any, **__: Any
    ) -> None:
        children = []
        for rank in range(nprocs):
            child = os.fork()
            if not child:
                _be(rank, nprocs, fn, args)
            children.append(child)
        failed = _first_that_failed(children)
        records = {r: RunRecord.load(path) for r in range(nprocs) if (path := path_of_rank(out, r)).exists()}
        if records:
            watch.record = records[min(records)]
        # A process that was stopped had seen enough: what its peers raise of its going says nothing.
        if failed is not None and watch.record.outcome in ("ended", "raised"):
            rank, status = failed
            # What the others raise of it is that their peer is gone.
            said = records[rank].error if rank in records else ""
            watch.record.outcome = "raised"
            watch.record.error = said or f"{_end(status)} in process {rank} of {nprocs}"

    def _be(rank: int, nprocs: int, fn: Any, args: Sequence[Any]) -> None:
        os.environ.update(RANK=str(rank), WORLD_SIZE=str(nprocs), LOCAL_RANK=str(rank))
        record, status = watch.record, 0

        def save(done: RunRecord) -> None:
            complete(done)
            done.save(path_of_rank(out, rank))

        watch.on_done = watch.on_enough = save
        # Processes of their own would not share a generator.
        torch.manual_seed(torch.initial_seed() + 1 + rank)
        try:
            fn(rank, *args)
        except StopTraining:
            pass
        except SystemExit as leaving:
            status = int(leaving.code not in (None, 0))
        except BaseException as error:
            record.outcome, record.error, status = "raised", error_line(error), 1
            traceback.print_exc()
        save(record)
        os._exit(status)

    wrap_method(torch.multiprocessing, "spawn", spawn)


def _first_that_failed(children: list[int]) -> tuple[int, int] | None:
    """(rank, wait status) of the process that failed first; the others are ended, as torch does."""
    failed = None
    running = dict(enumerate(children))
    deadline = float("inf")
    while running:
        for rank, child in list(running.items()):
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                del running[rank]
                if status and failed is None:
                    failed, deadline = (rank, status), time.monotonic() + GRACE
        if time.monotonic() > deadline:
            for child in running.values():
                os.kill(child, signal.SIGKILL)
            deadline = float("inf")
        time.sleep(0.01)
    return failed


def _end(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"exit status {code}" if code >= 0 else f"signal {-code}"


def path_of_rank(out: Path, rank: int) -> Path:
    """Where a process that the script has spawned leaves its record."""
    return out.with_suffix(f".spawned-{rank}")


def others(out: Path, world: int) -> list[RunRecord]:
    """The records of all such processes but the first."""
    paths = (path_of_rank(out, rank) for rank in range(1, world))
    return [RunRecord.load(p) for p in paths if p.exists()]
