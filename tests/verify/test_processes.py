"""No process of a verification outlives it, nor what its script wrote, however it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.opacus_releases import environment
from tests.verify.running import PATIENCE

pytestmark = [pytest.mark.opacus, pytest.mark.slow]

SCRIPT = """
import os, pathlib, subprocess, sys, time
pathlib.Path("checkpoint.pt").write_text("the script's")
helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(9999)"])
pathlib.Path("pids").write_text(f"{os.getppid()} {os.getpid()} {helper.pid}")
time.sleep(9999)
"""


def alive(pid: int) -> bool:
    """Whether the process still runs; a zombie that nobody has reaped yet does not."""
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    return bool(state) and not state.startswith("Z")


def wait_until(true: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_every_process_ends_with_the_command(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, number: signal.Signals
) -> None:
    (tmp_path / "train.py").write_text(SCRIPT, encoding="utf-8")
    kept = tmp_path / "checkpoint.pt"
    kept.write_text("mine")
    scratch = tmp_path_factory.mktemp("scratch")
    command = subprocess.Popen(
        [sys.executable, "-m", "dpmigrate", "verify", "train.py"],
        cwd=tmp_path,
        env=environment("1.6.0") | {"TMPDIR": str(scratch)},
        stderr=subprocess.PIPE,
        text=True,
        # A suite that a shell runs in the background has the interrupt ignored, and hands that down.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    pids = tmp_path / "pids"
    try:
        assert wait_until(lambda: pids.exists() and len(pids.read_text().split()) == 3, PATIENCE)
        started = [int(pid) for pid in pids.read_text().split()]
        assert all(alive(pid) for pid in started)
        command.send_signal(number)
        _, said = command.communicate(timeout=PATIENCE)
        assert wait_until(lambda: not any(alive(pid) for pid in started), PATIENCE), started
        assert wait_until(lambda: not list(scratch.glob("dpmigrate-*")), PATIENCE)
        assert kept.read_text() == "mine"
        assert not pids.exists(), "what the script wrote is taken away"
        assert "Traceback" not in said
        assert command.returncode == (130 if number == signal.SIGINT else -number)
    finally:
        command.kill()
        command.wait()


def test_threads_sleep_while_they_wait_and_the_script_sees_nothing_of_it(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import os\nraise SystemExit(f'set: {sorted(os.environ)}')\n")
    done = subprocess.run(
        [sys.executable, "-m", "dpmigrate", "verify", "train.py"],
        cwd=tmp_path,
        env=environment("1.6.0") | {"OMP_DISPLAY_ENV": "TRUE"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in done.stderr, done.stderr[-3000:]
    assert "'OMP_WAIT_POLICY'" not in done.stderr.split("No verdict")[1]
