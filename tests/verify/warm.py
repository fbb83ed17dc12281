"""Runs ``dpmigrate verify`` in a fork of a process that has one Opacus release imported (``warm_server``).

For tests of verdicts: what concerns processes, imports or the command line goes by ``running.verify``.
"""

from __future__ import annotations

import json
import select
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from tests.opacus_releases import environment
from tests.verify.running import HERE, PATIENCE, Verified, with_steps


def verify(version: str, *arguments: str, cwd: Path = HERE, timeout: float = PATIENCE) -> Verified:
    """As ``running.verify``. Raises TimeoutError; the server is gone then, and a new one is started."""
    server = _server(version)
    assert server.stdin is not None and server.stdout is not None
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        words = ["verify", "--format", "json", *with_steps(arguments)]
        request = {"arguments": words, "cwd": str(cwd), "stdout": str(out), "stderr": str(err)}
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        if not select.select([server.stdout], [], [], timeout)[0]:
            server.kill()
            _server.cache_clear()
            raise TimeoutError(f"verify took longer than {timeout} seconds: {err.read_text()[-2000:]}")
        status = int(server.stdout.readline())
        printed = out.read_text(encoding="utf-8")
        report = json.loads(printed) if printed.strip() else {}
        return Verified(status, report, err.read_text(encoding="utf-8"))


@cache
def _server(version: str) -> subprocess.Popen[str]:
    # It ends when its standard input does: with this process at the latest.
    return subprocess.Popen(
        [sys.executable, str(HERE / "warm_server.py")],
        env=environment(version) | {"PYTHONHASHSEED": "0", "MPLBACKEND": "Agg"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
