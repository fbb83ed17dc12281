"""Forked runs of the script: torch and Opacus are imported once, each run starts from there."""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
import traceback
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from dpmigrate.runtime.run.processes import preload
from dpmigrate.runtime.run.processes.launch import EARLY, project_files, run_script, run_target
from dpmigrate.runtime.run.processes.lifeline import end_group, follow_parent, kill_group
from dpmigrate.runtime.run.processes.ranks import rank, record_path, rendezvous
from dpmigrate.runtime.run.processes.spawned import joined
from dpmigrate.runtime.run.processes.which_opacus import script_folder
from dpmigrate.runtime.run.records import RunRecord
from dpmigrate.runtime.run.request import Request
from dpmigrate.runtime.run.watching.state import RunSettings, Watch

AFTER_STOP = 20.0
"""Seconds that a script gets for its own clean-up once it was stopped."""


class NoVerdict(Exception):  # noqa: N818 - an outcome of the command, told to the user in one sentence
    """The script could not be run to the point of a verdict."""


class Runner:
    """Runs the script as often as asked, one run after the other, each in a process of its own.

    ``program`` is what runs in the place of a script: a function of this process, in which threads may have
    worked that no fork has; each run has one thread then, and this process as well from here on. Raises
    NoVerdict where it cannot be forked.
    """

    def __init__(self, request: Request, folder: Path, program: Callable[[], Any] | None = None) -> None:
        if not hasattr(os, "fork"):
            raise NoVerdict("there is no fork() here, by which a script is run several times from one state")
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            raise NoVerdict("CUDA is in use in this process, and no fork may go on with it: begin anew")
        self.request = request
        self.folder = folder
        self.program = program or partial(run_target, request)
        self.shares_process = program is not None
        self.threads = 1 if self.shares_process else torch.get_num_threads()
        self.count = 0
        _load_what_scripts_load(self.shares_process)
        if request.kind == "script":
            preload.preload(Path(request.target), Path(script_folder(request)))
        # Which of 2,700 modules are the project's is asked once, and remembered in the forks.
        project_files()
        if not self.shares_process:
            _keep_as_it_is()
        # A fork after the thread pool was used would hang in it; the runs get their threads back.
        torch.set_num_threads(1)

    def run(
        self,
        settings: RunSettings,
        *,
        seed: int | None,
        loud: bool = False,
        label: str = "",
        prepare: Callable[[Watch], None] | None = None,
    ) -> RunRecord:
        """One run; ``loud`` lets the script's output through to standard error.

        Raises NoVerdict when the process dies without a record or outlives the time limit.
        """
        self.count += 1
        # Behind the label of a run that prints, on a line of its own, comes what it prints.
        self.say(label, "\n" if loud else "")
        out = record_path(self.folder, self.count, rank())
        sys.stdout.flush()
        sys.stderr.flush()
        meeting = rendezvous(self.folder, self.count, self.request.timeout)
        parent = os.getpid()
        process = os.fork()
        if process == 0:
            os.setpgid(0, 0)
            follow_parent(parent, end_group)
            job = partial(run_script, self.program, self.request.stand_ins, settings, seed, out, prepare)
            self._child(job, None if loud else out.with_suffix(".log"), meeting)
        try:
            status = self._wait(process, out)
        finally:
            # Whatever the script has started and left behind goes with it.
            kill_group(process)
        if not loud:
            self.say("")
        if out.exists():
            record = RunRecord.load(out)
            preload.load_modules(record.torch_modules)
            return record
        early = out.with_suffix(EARLY)
        record = joined(RunRecord.load(early) if early.exists() else RunRecord(), out)
        if record.engines:
            record.outcome = "timed out"
            return record
        if status is None:
            raise NoVerdict(f"the script took longer than {self.request.timeout:g} seconds (see --timeout)")
        code = os.waitstatus_to_exitcode(status)
        ended = f"killed by signal {-code}" if code < 0 else f"exit status {code}"
        raise NoVerdict(f"the script's process ended without a word ({ended})")

    def say(self, label: str, end: str = "") -> None:
        """One line of progress on a terminal."""
        if self.request.progress:
            sys.stderr.write("\r\x1b[K" + (f"dpmigrate verify: {label} ...{end}" if label else ""))
            sys.stderr.flush()

    def _child(self, job: Callable[[], int], log: Path | None, meeting: dict[str, str]) -> None:
        status = 1
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            if self.shares_process:
                _keep_as_it_is()
            gc.enable()
            os.environ.update(meeting)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            if log is not None:
                os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT), 2)
            os.dup2(2, 1)
            torch.set_num_threads(self.threads)
            status = job()
        except BaseException:
            # Nothing above can be told in a forked process: the fault is ours, and must be seen.
            traceback.print_exc()
            status = 70
        finally:
            os._exit(status & 0xFF)

    def _wait(self, process: int, out: Path) -> int | None:
        """The child's wait status; None where it was ended at the time limit."""
        deadline = time.monotonic() + self.request.timeout
        stopped: float | None = None
        pause = 0.002
        try:
            while True:
                done, status = os.waitpid(process, os.WNOHANG)
                if done:
                    return status
                now = time.monotonic()
                if stopped is None and out.exists():
                    stopped = now
                if stopped is not None and now - stopped > AFTER_STOP:
                    return self._kill(process)
                if now > deadline:
                    self._kill(process)
                    return None
                time.sleep(pause)
                pause = min(pause * 1.5, 0.05)
        except KeyboardInterrupt:
            self._kill(process)
            raise

    @staticmethod
    def _kill(process: int) -> int:
        try:
            os.killpg(process, signal.SIGKILL)
        except ProcessLookupError:
            os.kill(process, signal.SIGKILL)
        return os.waitpid(process, 0)[1]


def _load_what_scripts_load(shared: bool) -> None:
    """Import once what training scripts import; ``shared``: this process is not ours alone."""
    for name in ("torch.utils.data", "opacus.utils.batch_memory_manager"):
        with suppress(ImportError):
            import_module(name)
    if shared:
        preload.load_compiler()
    else:
        preload.idle_compiler()


def _keep_as_it_is() -> None:
    """Let no run collect or end what was there before it.

    A collection copies every object that it looks at (0.2 s for what the imports left), and torch takes 176
    libraries of operators down at the end (0.1 s).
    """
    gc.freeze()
    for finalizer in list(getattr(weakref.finalize, "_registry", ())):
        finalizer.atexit = False
