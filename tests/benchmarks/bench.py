"""``make bench``: scan beside other tools on the same folders, in one run, as JSON and as a page.

Medians of several runs of each, in seconds of CPU (user and system, child processes included), which
the rest of the machine disturbs least, with seconds by the clock and the peak of memory.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from dpmigrate import __version__
from tests.benchmarks.trees import PIN, SCRIPT, TREES, growing

OURS = (sys.executable, "-m", "dpmigrate")
SCAN = (*OURS, "scan", "--exit-zero", "--no-cache")
"""Cold: answers of the run before are not taken."""
KEPT = "dpmigrate, answers kept"
OTHERS = {
    "rg": ("rg", "--files-with-matches", "opacus", "."),
    "ruff": ("ruff", "check", "--isolated", "--no-cache", "--select", "NPY", "--exit-zero", "."),
    "ast-grep": ("ast-grep", "run", "--lang", "python", "--pattern", "$A.make_private($$$B)", "."),
    "torchfix": ("torchfix", "."),
    "fixit": ("fixit", "lint", "."),
    "semgrep": (
        "semgrep",
        "scan",
        "--metrics",
        "off",
        "--lang",
        "py",
        "--pattern",
        "$A.make_private(...)",
        ".",
    ),
}
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
"""With the bytecode of imports kept, as an installed program has it; a run that is not counted writes it."""
LIMIT = 90
"""Seconds by the clock after which a tool is not waited for."""
PATIENCE = 6
"""Seconds by the clock after which a command that is slow is not run once more."""


class Cost(NamedTuple):
    """Medians: seconds of CPU, seconds by the clock, megabytes at the peak."""

    cpu: float
    clock: float
    megabytes: float


def measured(command: Sequence[str], folder: Path, runs: int) -> Cost | None:
    """What a command costs in a folder; None where it is not there, fails to start or takes too long."""
    if shutil.which(command[0]) is None:
        return None
    costs: list[Cost] = []
    while len(costs) < runs and sum(cost.clock for cost in costs) < PATIENCE:
        cost = _once(command, folder)
        if cost is None:
            return None
        costs.append(cost)
    return Cost(*(round(statistics.median(column), 3) for column in zip(*costs, strict=True)))


def _once(command: Sequence[str], folder: Path) -> Cost | None:
    start = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while True:
        done, status, usage = os.wait4(process.pid, os.WNOHANG)
        clock = time.monotonic() - start
        if done:
            # Where something was found, or nothing, some exit with 1.
            if os.waitstatus_to_exitcode(status) not in (0, 1):
                return None
            return Cost(usage.ru_utime + usage.ru_stime, clock, _megabytes(usage))
        if clock > LIMIT:
            os.killpg(process.pid, signal.SIGKILL)  # and the processes that it shares its work with
            process.wait()
            return None
        time.sleep(0.005)


def _megabytes(usage: resource.struct_rusage) -> float:
    # Linux counts in kilobytes, macOS in bytes.
    return usage.ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)


def rows(work: Path, runs: int, only: Sequence[str], part: int) -> Iterator[tuple[str, str, Cost]]:
    """(folder, command, cost) of what is measured: ``only`` some folders, of a ``part``-th of their size."""
    for name, make in TREES.items():
        if name not in only:
            continue
        folder = work / name.replace(" ", "-")
        folder.mkdir()
        make(folder, part)
        subprocess.run(["git", "init", "-q", folder], check=True)
        commands = {"dpmigrate": (*SCAN, "."), **OTHERS}
        if name in ("one file", "relevant"):
            commands["dpmigrate fix"] = (*OURS, "fix", ".")
        if name == "relevant":
            commands[KEPT] = (*OURS, "scan", "--exit-zero", "--cache-dir", str(work / "kept"), ".")
        for label, command in commands.items():
            if label == KEPT:
                _once(command, folder)
            if (cost := measured(command, folder, runs)) is not None:
                yield name, label, cost
    for factor, folder in growing(work / "growing", part) if "growth" in only else ():
        subprocess.run(["git", "init", "-q", folder], check=True)
        cost = measured((*SCAN, "--jobs", "1", "."), folder, runs)
        if cost is not None:
            yield "growth", f"{factor} times {3_000 // part:,} lines", cost
    if "start" not in only:
        return
    alone, training = work / "start", work / "training"
    alone.mkdir()
    training.mkdir()
    (alone / "plain.py").write_text("import math\n\nprint(math.pi)\n", encoding="utf-8")
    script = SCRIPT.read_text(encoding="utf-8")
    (training / "train.py").write_text(script, encoding="utf-8")
    (training / "requirements.txt").write_text(PIN, encoding="utf-8")
    lines = script.count("\n")
    for label, folder, command in (
        ("dpmigrate --version", alone, (*OURS, "--version")),
        ("dpmigrate scan, one file without Opacus", alone, (*SCAN, "plain.py")),
        (f"dpmigrate scan, a training script of {lines} lines with faults", training, (*SCAN, "train.py")),
        ("import click", alone, (sys.executable, "-c", "import click")),
    ):
        cost = measured(command, folder, runs)
        if cost is not None:
            yield "start", label, cost


def page(result: dict[str, object], found: Sequence[tuple[str, str, Cost]]) -> str:
    """The page of the documentation: a table with a bar for each folder."""
    lines = [
        "# Benchmarks",
        "",
        f"Written by `make bench`: dpmigrate {result['version']}, Python {result['python']}, "
        f"{result['cores']} processors, medians of {result['runs']} runs, or of as many as "
        f"{PATIENCE} seconds have room for. CPU is user and system time, which decides the ratio; a tool "
        f"that is not installed, fails, or takes more than {LIMIT} seconds, is left out.",
        "",
        *([f"The folders have one {result['part']}th of their size.", ""] if result["part"] != 1 else []),
        "rg searches for a word, ruff checks a "
        "group of rules without its cache, ast-grep matches a pattern: none of them follows a value. Up to "
        "40 MB are the benchmark's own, of which a child begins as a copy.",
    ]
    for tree in dict.fromkeys(name for name, _, _ in found):
        costs = {label: cost for name, label, cost in found if name == tree}
        base = costs.get("dpmigrate") or next(iter(costs.values()))
        most = max(cost.cpu for cost in costs.values())
        lines += [
            "",
            f"## {tree.capitalize()}",
            "",
            *(described(TREES[tree]) if tree in TREES else ()),
            "| | CPU s | ratio | clock s | MB | |",
            "|---|---|---|---|---|---|",
        ]
        for label, cost in costs.items():
            bar = "█" * max(1, round(12 * cost.cpu / most))
            ratio = cost.cpu / base.cpu if base.cpu else 0.0
            figures = f"{cost.cpu:.2f} | {ratio:.2f} | {cost.clock:.2f} | {cost.megabytes:.0f}"
            lines.append(f"| {label} | {figures} | {bar} |")
    return "\n".join([*lines, "", TRIED])


TRIED = """\
## What was tried and left

Measured on 19 public trees with Opacus, in shares of the time that the interpreter takes there:

- **Not following calls that cannot reach a run**, as what they mention, directly or not, means nothing to
  the analysis: 0 to 20 %, one tree 87 %, median 4 %, where no object goes in. With objects 1 to 87 %,
  median 26 %, but what such calls leave on an object may decide a run. What was taken of it: a function
  beside the runs may use an eighth of a root's budget, which halves the time on a framework's own tree.
- **Beginning an inner loop with what it counted in the turn before**, so that it is gone through once instead
  of twice: of five trees with nested loops one took 11 % less, the others no less.
- **Not entering modules that cannot reach a run**, by the names that their text mentions, directly or not,
  where getattr, imports by name, registries and strings count as reaching anything: 9 of 1,284 modules in
  93 other trees, the largest of 404 lines. What looks unreached is mostly one dispatch away.
- **Keeping results of calls by what they read**: 3 to 85 %, median 28 %, goes into calls that the same way
  led to before, with the same arguments (turns of loops). Only for 0 to 42 %, median 7 %, is what they read
  the same, too: each turn leaves something where the next one looks.
- **Compiling with mypyc**: five modules of values, guards and store gained 1 % on the file of 5,000 lines
  and 12 % on a fork of Opacus. With fourteen more, which read syntax nodes, the fork takes 1.7 times as
  long, as compiled code asks LibCST's abstract base classes at every step.
- **Entering every class that fills in what it inherits**: of 505 roots of Opacus's own tree 229 are such,
  66,000 of 197,000 statements, and with what each run costs those after it 8 of 27 s of CPU: 17 classes with
  16 methods each, and no other finding. Six are entered, and all that take part in training themselves.
- **The collector**, which runs between parts of a scan: 1.7 of 31 s there.
- **Files without Opacus**: of 0.20 s of CPU 0.04 are start-up, 0.04 opening and reading, 0.02 the walk, and
  0.09 the search of 113 MB for two words, which `bytes` cannot do faster.
"""


def described(make: object) -> list[str]:
    """What the folder that a function makes holds, in the words of its own documentation."""
    return [" ".join((make.__doc__ or "").split()), ""]


def main() -> None:
    """Measure, and write ``benchmarks.json`` and ``benchmarks.md`` into a folder, anew after every row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--output", type=Path, default=Path("docs"))
    parser.add_argument(
        "--only", action="append", choices=(*TREES, "growth", "start"), help="may be repeated"
    )
    parser.add_argument("--part", type=int, default=1, metavar="N", help="folders of an Nth of their size")
    arguments = parser.parse_args()
    only = arguments.only or (*TREES, "growth", "start")
    arguments.output.mkdir(exist_ok=True)
    subprocess.run([*OURS, "scan", "--exit-zero", "--no-cache", SCRIPT], env=ENVIRONMENT, capture_output=True)
    found: list[tuple[str, str, Cost]] = []
    with tempfile.TemporaryDirectory() as work:
        for row in rows(Path(work), arguments.runs, only, arguments.part):
            found.append(row)
            print(*row[:2], *row[2], sep="  ", flush=True)
            _write(arguments.output, arguments.runs, arguments.part, found)


def _write(folder: Path, runs: int, part: int, found: Sequence[tuple[str, str, Cost]]) -> None:
    result = {
        "version": __version__,
        "python": platform.python_version(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "runs": runs,
        "part": part,
        "rows": [{"folder": name, "command": label, **cost._asdict()} for name, label, cost in found],
    }
    (folder / "benchmarks.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    (folder / "benchmarks.md").write_text(page(result, found), encoding="utf-8")


if __name__ == "__main__":
    main()
