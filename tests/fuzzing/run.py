"""``python -m tests.fuzzing.run [--minutes 30] [--seed N] [--into build/fuzz] [KIND..]``: see ``make fuzz``.

Every kind gets the same share of CPU, a few inputs at a time in a process of its own, so that nothing that an
input does to one is lost: an exception, more time or memory than is allowed, or a process that dies. What
fails is kept in a folder below ``--into``, with ``why.txt``; a line of counts is printed every minute.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from tests.fuzzing import kinds
from tests.fuzzing.programs import AT_ONCE, PROGRAM_KINDS
from tests.fuzzing.seeds import ROOT, RUN

LONGEST = 30.0
"""Seconds of CPU for one input."""
MEMORY = 400
"""Megabytes that a process of some inputs may come to."""
BATCH = 10.0
"""Seconds of CPU after which a process ends."""
KINDS: dict[str, kinds.Kind] = {
    kind.__name__: kind
    for kind in (
        kinds.code,
        kinds.foreign,
        kinds.notebooks,
        kinds.pins,
        kinds.configuration,
        kinds.reports,
    )
} | PROGRAM_KINDS


@dataclass
class Count:
    """What was done of one kind."""

    inputs: int = 0
    cpu: float = 0.0
    failed: int = 0


class TooLongError(Exception):
    """An input took more than LONGEST seconds."""


def warm() -> None:
    """Import what forks need, so that none of them has to, and one that lasts is not changed by an edit."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "train.py").write_text(RUN, encoding="utf-8")
        kinds.holds(Path(folder).resolve(), random.Random(0))


def batch(name: str, seed: int, into: Path, seconds: float = BATCH) -> tuple[int, float, int]:
    """Some inputs of a kind in a fork: how many, the CPU they took, and how many failed."""
    work = into / f"work-{os.getpid()}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    reading, writing = os.pipe()
    inherited = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    child = os.fork()
    if child == 0:
        os.close(reading)
        with os.fdopen(writing, "w") as pipe:
            _inputs(name, seed, into, work, seconds, pipe.fileno())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        marks = pipe.read()
    _, status, usage = os.wait4(child, 0)
    failed = marks.count("F")
    if status != 0:
        failed += 1
        _keep(into, name, work / "input", f"seed {seed}: the process ended with status {status}\n")
    elif (taken := (usage.ru_maxrss - inherited) // 1024) > MEMORY:
        failed += 1
        _keep(into, name, work / "input", f"seed {seed}: {taken} MB more\n")
    shutil.rmtree(work, ignore_errors=True)
    each = AT_ONCE if name in PROGRAM_KINDS else 1
    return each * (marks.count(".") + marks.count("F")), usage.ru_utime + usage.ru_stime, failed


def _inputs(name: str, seed: int, into: Path, work: Path, seconds: float, told: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    end = time.process_time() + seconds

    def too_long(*_: object) -> None:
        raise TooLongError(f"more than {LONGEST} seconds")

    signal.signal(signal.SIGVTALRM, too_long)
    number = 0
    while not number or time.process_time() < end:
        folder = work / "input"
        for old in (folder, work / "input.cache"):
            shutil.rmtree(old, ignore_errors=True)
        folder.mkdir()
        rng = random.Random(f"{name} {seed} {number}")
        number += 1
        signal.setitimer(signal.ITIMER_VIRTUAL, LONGEST * (AT_ONCE if name in PROGRAM_KINDS else 1))
        try:
            KINDS[name](rng, folder)
            mark = b"."
        except BaseException as error:
            mark = b"F"
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            _keep(into, name, folder, f"seed {seed}, input {number - 1}\n{_told(error)}")
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        os.write(told, mark)


def _told(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


def _keep(into: Path, name: str, folder: Path, why: str) -> None:
    number = sum(1 for _ in into.glob(f"{name}-*"))
    kept = into / f"{name}-{number}"
    shutil.copytree(folder, kept, dirs_exist_ok=True)
    (kept / "why.txt").write_text(why, encoding="utf-8", errors="backslashreplace")


def guided(into: Path, seconds: int) -> tuple[int, float, int]:
    """Some seconds of the readers of bytes under atheris; nothing where it is not installed."""
    if importlib.util.find_spec("atheris") is None:
        return 0, 0.0, 0
    folder = into / "guided"
    folder.mkdir(parents=True, exist_ok=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzzing.guided", str(seconds), str(folder)],
        capture_output=True,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    told = done.stderr.decode("utf-8", "replace") + done.stdout.decode("utf-8", "replace")
    counted = re.search(r"number_of_executed_units: (\d+)", told)
    if done.returncode:
        number = sum(1 for _ in into.glob("guided-*"))
        (into / f"guided-{number}.txt").write_text(
            told[-20_000:], encoding="utf-8", errors="backslashreplace"
        )
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return int(counted[1]) if counted else 0, cpu, int(done.returncode != 0)


def main(arguments: list[str]) -> int:
    """0 where nothing failed."""
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=None, help="another at every start unless it is given")
    parser.add_argument("--into", type=Path, default=ROOT / "build" / "fuzz")
    parser.add_argument(
        "kinds", nargs="*", default=[], help=f"of {', '.join((*KINDS, 'guided'))}; all of them"
    )
    given = parser.parse_args(arguments)
    names = given.kinds or [*KINDS, "guided"]
    seed = given.seed if given.seed is not None else random.SystemRandom().getrandbits(32)
    given.into.mkdir(parents=True, exist_ok=True)
    print(f"seed {seed}; what fails is kept in {given.into}", flush=True)
    warm()
    counts = {name: Count() for name in names}
    end, next_line = time.monotonic() + 60 * given.minutes, time.monotonic() + 60
    while time.monotonic() < end:
        name = min(counts, key=lambda name: counts[name].cpu)
        count = counts[name]
        done = guided(given.into, 20) if name == "guided" else batch(name, seed, given.into)
        seed += 1
        count.inputs, count.cpu = count.inputs + done[0], count.cpu + max(done[1], 0.01)
        count.failed += done[2]
        if not done[0] and name == "guided":
            del counts[name]
        if time.monotonic() > next_line:
            next_line += 60
            print(_line(counts), flush=True)
    print(_line(counts), flush=True)
    return int(any(count.failed for count in counts.values()))


def _line(counts: dict[str, Count]) -> str:
    parts = [f"{name} {c.inputs} ({c.cpu:.0f} s, {c.failed} failed)" for name, c in counts.items()]
    whole = sum(c.cpu for c in counts.values())
    return f"{sum(c.inputs for c in counts.values())} inputs in {whole:.0f} s of CPU: {', '.join(parts)}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
