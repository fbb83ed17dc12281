"""Processes that a script starts itself by ``torch.multiprocessing.spawn``, each watched as a rank.

A spawned process would begin without the shim: here it is forked, and leaves a record of its own.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from dpmigrate.runtime.messages import error_line
from dpmigrate.runtime.run.patching import wrap_method
from dpmigrate.runtime.run.records import RunRecord
from dpmigrate.runtime.run.state import StopTraining, Watch


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
        for child in children:
            os.waitpid(child, 0)
        first = path_of_rank(out, 0)
        if first.exists():
            watch.record = RunRecord.load(first)

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
        except BaseException as error:
            record.outcome, record.error, status = "raised", error_line(error), 1
            traceback.print_exc()
        save(record)
        os._exit(status)

    wrap_method(torch.multiprocessing, "spawn", spawn)


def path_of_rank(out: Path, rank: int) -> Path:
    """Where a process that the script has spawned leaves its record."""
    return out.with_suffix(f".spawned-{rank}")


def others(out: Path, world: int) -> list[RunRecord]:
    """The records of all such processes but the first."""
    paths = (path_of_rank(out, rank) for rank in range(1, world))
    return [RunRecord.load(p) for p in paths if p.exists()]
