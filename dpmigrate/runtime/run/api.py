"""Verification for programs: starts the process that imports torch, and reads its report.

Importable without torch or Opacus; ``dpmigrate verify`` and ``dpmigrate fix --verify`` use it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dpmigrate.runtime.run.processes import footprint
from dpmigrate.runtime.run.request import Request


@dataclass(frozen=True)
class VerifyOutcome:
    """``exit_status``: 0 passed, 1 failed, 2 no verdict. ``report_dict``: the JSON report, empty without
    a verdict. ``text``: the report for people, or the one sentence that says why there is none. All
    but the status are empty on the ranks of a distributed run that leave the report to rank 0."""

    exit_status: int
    report_dict: dict[str, Any] = field(default_factory=dict)
    text: str = ""


def run_request(request: Request) -> VerifyOutcome:
    """Carry out any request; the script's own output goes to standard error."""
    from dpmigrate.report.verification.text import render_text

    problem = _missing(request)
    if problem:
        return VerifyOutcome(2, text=problem)
    with tempfile.TemporaryDirectory(prefix="dpmigrate-") as folder:
        asked, answer = Path(folder, "request.json"), Path(folder, "result.json")
        replace(request, session=str(os.getppid())).write(asked)
        for kept in footprint.left_behind(Path.cwd()):
            print(
                "dpmigrate verify: an earlier call here was killed before it could put back what its script "
                f"changed; the files as they were before, and their names, are in {kept}",
                file=sys.stderr,
            )
        try:
            status = _child(asked, answer)
        finally:
            # The child has done so, unless it was killed.
            footprint.put_back(Path(folder, footprint.KEPT))
        if not answer.exists():
            return VerifyOutcome(
                2, text=f"the verifying process ended without a result (exit status {status})."
            )
        result = json.loads(answer.read_text(encoding="utf-8"))
    if "no_verdict" in result:
        return VerifyOutcome(2, text=str(result["no_verdict"]))
    if "silent" in result:
        return VerifyOutcome(0)
    report = result["report"]
    return VerifyOutcome(0 if report["passed"] else 1, report, render_text(report))


def _missing(request: Request) -> str:
    """Why the request cannot even be started; empty when it can."""
    if request.kind != "script":
        return ""
    path = Path(request.target)
    if not path.exists():
        return f"there is no script {request.target!r}."
    if path.is_dir():
        return f"{request.target!r} is a folder; give the script that trains, or -m MODULE."
    if path.suffix not in (".py", ".ipynb"):
        return f"{request.target!r} is neither a Python script (.py) nor a notebook (.ipynb)."
    return ""


def _child(asked: Path, answer: Path) -> int:
    environment = {"PYTHONHASHSEED": "0", "MPLBACKEND": "Agg"} | dict(os.environ)
    program = Path(__file__).with_name("child.py")
    command = [sys.executable, str(program), str(asked), str(answer), str(os.getpid())]
    sys.stdout.flush()
    # The child's standard output is the script's: it must not mix with the report.
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=_stderr())
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
        raise


def _stderr() -> int | None:
    try:
        return sys.stderr.fileno()
    except (OSError, ValueError, AttributeError):
        return 2
