"""Processes that a script starts itself, by ``multiprocessing`` or torch's ``spawn``, each watched as it is.

A spawned process would begin without the shim: here all are forked. One that makes a private run, or raises,
leaves a record of its own; those of one process group are the ranks of one run.
"""

from __future__ import annotations

import functools
import os
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from multiprocessing import context, popen_fork, process
from pathlib import Path
from typing import Any

import torch

from dpmigrate.runtime.run.processes.errors import note_error
from dpmigrate.runtime.run.processes.ranks import record_of_rank
from dpmigrate.runtime.run.records import RunRecord
from dpmigrate.runtime.run.watching.patching import wrap_method
from dpmigrate.runtime.run.watching.state import StopTraining, Watch

PROGRAM = re.compile(r"\bpython[\d.]* |\.py\b|\btorchrun\b|\baccelerate\b|\bdeepspeed\b")
"""A command that may train."""


def install_spawn(watch: Watch, out: Path, complete: Callable[[RunRecord], None]) -> None:
    """Follow the processes that the script starts; their records lie beside ``out``."""

    def fork(_original: Any, _process: Any, started: process.BaseProcess) -> popen_fork.Popen:
        return popen_fork.Popen(started)

    def begin(original: Any, started: Any, /, *args: Any, **kwargs: Any) -> Any:
        # Those that fetch batches train nothing.
        if not getattr(started._target, "__module__", "").startswith("torch.utils.data"):
            started.run = functools.partial(be, started.run, started._identity[-1])
        return original(started, *args, **kwargs)

    def be(run: Callable[[], None], number: int) -> None:
        record, inherited = watch.record, [e.steps_without_noise for e in watch.record.engines]
        for engine in record.engines:
            # Its process tells of these itself.
            engine.releases, engine.steps = [], []

        def save(done: RunRecord) -> None:
            bare = [e.steps_without_noise for e in done.engines]
            if bare != inherited or any(e.releases for e in done.engines) or done.outcome == "raised":
                complete(done)
                done.save(out.with_name(f"{out.name}.process-{number}"))

        watch.on_done = watch.on_enough = save
        # Processes of their own would share no generator, and have no threads that a fork has lost.
        torch.manual_seed(torch.initial_seed() + number)
        torch.set_num_threads(1)
        try:
            run()
        except StopTraining:
            pass
        except BaseException as error:
            # Torch's own wrapper exits where the function has raised.
            cause = error.__context__ if isinstance(error, SystemExit) else error
            if cause is not None:
                note_error(record, cause)
            raise
        finally:
            save(record)
            if watch.at_end is not None:
                watch.at_end()

    def heard(event: str, given: tuple[Any, ...]) -> None:
        if event not in ("subprocess.Popen", "os.system") or watch.record.started:
            return
        command = given[event == "subprocess.Popen"]
        with suppress(TypeError):  # whatever else may stand for a command
            words = [command] if isinstance(command, (str, bytes)) else command
            said = " ".join(map(os.fsdecode, words))
            watch.record.started = said if PROGRAM.search(said) else ""

    sys.addaudithook(heard)
    for name in ("SpawnProcess", "ForkServerProcess"):
        wrap_method(getattr(context, name), "_Popen", fork)
    wrap_method(process.BaseProcess, "_bootstrap", begin)
    if torch.distributed.is_available():
        wrap_method(torch.distributed, "init_process_group", _joins_group)


def _joins_group(original: Any, /, *args: Any, **kwargs: Any) -> None:
    """Around ``init_process_group``: from now on this process is known by its rank."""
    original(*args, **kwargs)
    group = torch.distributed
    os.environ.update(RANK=str(group.get_rank()), WORLD_SIZE=str(group.get_world_size()))


def joined(own: RunRecord, out: Path) -> RunRecord:
    """The script's record, with what its processes have left: that of rank 0, or the runs of them all.

    Those of other ranks are left where ``ranks.peers`` reads them.
    """
    paths = sorted(out.parent.glob(f"{out.name}.process-*"), key=lambda p: p.stat().st_mtime_ns)
    records = [RunRecord.load(path) for path in paths]
    if not records:
        return own
    in_group = sorted((r for r in records if r.world > 1), key=lambda r: r.rank)
    for other in in_group[1:]:
        other.save(record_of_rank(out, other.rank))
    record = in_group[0] if in_group else functools.reduce(_together, records, own)
    # What others raise later is that their peer is gone; one that was stopped had seen enough.
    first = next((r for r in records if r.outcome == "raised"), None)
    if record.outcome in ("stopped", "timed out") or first is None:
        return record
    return replace(record, outcome="raised", error=first.error, advice=first.advice, gpu=first.gpu)


def _together(own: RunRecord, other: RunRecord) -> RunRecord:
    """The runs of two processes that share no group as those of one."""
    runs, accountants = len(own.engines), len(own.accountants)
    for engine in other.engines:
        for release in engine.releases:
            release.accounted = [(who + accountants, m, rate) for who, m, rate in release.accounted]
        for name in ("resumed", "unheard"):
            if (earlier := getattr(engine, name)) is not None:
                setattr(engine, name, (earlier[0] + runs, earlier[1]))
    outcome = other.outcome if other.outcome in ("stopped", "timed out") else own.outcome
    return replace(
        own,
        outcome=outcome,
        engines=own.engines + other.engines,
        accountants=own.accountants + other.accountants,
        files=sorted({*own.files, *other.files}),
        removal={**(own.removal or {}), **{runs + i: found for i, found in (other.removal or {}).items()}},
        audit={**(own.audit or {}), **{runs + i: found for i, found in (other.audit or {}).items()}},
    )
