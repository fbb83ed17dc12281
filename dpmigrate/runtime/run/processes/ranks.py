"""Several processes under one launcher (``torchrun ... -m dpmigrate verify``): rank 0 reports.

Every rank runs the script as often as the others, in the same order, and leaves its records in a
folder that all ranks of one machine share. Rank 0 makes it under a name that nobody can guess, and the
others look for it among the folders that belong to this user and are closed to everybody else: what
another user plants is never read.
"""

from __future__ import annotations

import os
import socket
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from pickle import UnpicklingError

from dpmigrate.runtime.run.records import RunRecord
from dpmigrate.runtime.run.request import Request
from dpmigrate.workspace.private import is_private, write_whole

VERDICT = "verdict"
"""The file that rank 0 leaves once it has its verdict; the launcher ends all ranks when one ends early."""


def rank() -> int:
    """This process's rank; 0 without a launcher."""
    return int(os.environ.get("RANK", "0"))


def world() -> int:
    """The number of processes; 1 without a launcher."""
    return int(os.environ.get("WORLD_SIZE", "1"))


PREFIX = "dpmigrate-ranks-"

SESSION = "session"
"""The file that says whose a shared folder is: the launcher, its port and attempt, and rank 0's process."""

PATIENCE = 60.0
"""Seconds that a rank above 0 looks for the folder; one on another machine will find none."""


def shared_folder(request: Request) -> Path:
    """The folder of all ranks of one launcher on this machine: made by rank 0, found by the others.

    A rank that finds none gets a folder of its own, in which no other rank will answer.
    """
    session = _session(request)
    if rank() == 0:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        write_whole(folder / SESSION, f"{session} {os.getpid()}")
        return folder
    deadline = time.monotonic() + min(PATIENCE, request.timeout)
    while time.monotonic() < deadline:
        for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
            if is_private(folder) and _is_of(folder, session):
                return folder
        time.sleep(0.05)
    return Path(tempfile.mkdtemp(prefix="dpmigrate-"))


def _session(request: Request) -> str:
    """What all ranks of one launcher and attempt have in common."""
    port = os.environ.get("MASTER_PORT", "0")
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    return f"{request.session} {port} {attempt}"


def _is_of(folder: Path, session: str) -> bool:
    """Whether a private folder was made for this session by a rank 0 that still runs."""
    try:
        whose, _, process = (folder / SESSION).read_text(encoding="utf-8").rpartition(" ")
        if whose != session:
            return False
        os.kill(int(process), 0)
    except (OSError, ValueError):
        return False
    return True


def record_path(folder: Path, run: int, of_rank: int) -> Path:
    """Where a rank leaves the record of its n-th run."""
    return folder / f"run-{run}-rank-{of_rank}.pt"


def record_of_rank(out: Path, other: int) -> Path:
    """Where another rank leaves its record of the run whose rank 0 leaves it at ``out``."""
    return out.with_name(out.name.replace("-rank-0", f"-rank-{other}"))


def rendezvous(folder: Path, run: int, timeout: float) -> dict[str, str]:
    """Environment variables by which the ranks of one run find each other.

    The launcher's own store still holds the addresses of the run before, so each run gets a port
    of its own, chosen by rank 0. Empty without a launcher, or where rank 0 says nothing in time.
    """
    if world() < 2:
        return {}
    path = folder / f"port-{run}"
    if rank() == 0:
        with socket.socket() as free:
            free.bind(("", 0))
            write_whole(path, str(free.getsockname()[1]))
    deadline = time.monotonic() + timeout
    while not path.exists():
        if time.monotonic() > deadline:
            return {}
        time.sleep(0.01)
    return {"MASTER_PORT": path.read_text(encoding="utf-8"), "TORCHELASTIC_USE_AGENT_STORE": "False"}


def peers(folder: Path, run: int, timeout: float, count: int) -> list[RunRecord]:
    """The records of all other of ``count`` ranks for one run; those that do not appear in time are left
    out. Those of processes that the script has started itself are there, or will never be."""
    records = []
    deadline = time.monotonic() + (timeout if world() > 1 else 0)
    for other in range(1, count):
        path = record_path(folder, run, other)
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        if path.exists():
            # A record that is none counts as one that did not appear.
            with suppress(UnpicklingError, RuntimeError, AssertionError):
                records.append(RunRecord.load(path))
    return records


def await_verdict(folder: Path, timeout: float) -> None:
    """Let a rank above 0 stay until rank 0 is done with its records."""
    deadline = time.monotonic() + timeout
    while not (folder / VERDICT).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
