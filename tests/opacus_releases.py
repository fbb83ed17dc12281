"""Real Opacus releases side by side, for tests that run training code on them.

A release lives in a folder of its own that is put first on ``PYTHONPATH`` of a child process; the environment
of the tests needs only torch and the other dependencies of Opacus. Folders come from the environment variable
``DPMIGRATE_OPACUS_RELEASES`` when that holds the release, and are installed into ``.opacus/`` of the checkout
otherwise (once: later calls find them there).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
CACHE = CHECKOUT / ".opacus"
KNOWN = ("1.5", "1.5.1", "1.5.2", "1.5.3", "1.5.4", "1.6.0")
"""The releases with ghost clipping, oldest first."""


class ReleaseUnavailableError(RuntimeError):
    """A release of Opacus is neither on disk nor could be installed."""


def releases(*versions: str) -> dict[str, Path]:
    """Folders that hold ``opacus`` in the versions asked for (all of ``KNOWN`` when none is named).

    Skips the calling test when one is missing and cannot be installed; fails instead where ``CI`` is set, so
    that a broken network never passes for a green run.
    """
    try:
        return {version: _release(version) for version in versions or KNOWN}
    except ReleaseUnavailableError as error:
        if os.environ.get("CI", "").lower() in {"1", "true", "yes"}:
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))


def environment(version: str) -> dict[str, str]:
    """Environment of a child process: this release, the checkout's own ``dpmigrate``, one thread."""
    folders = [str(releases(version)[version]), str(CHECKOUT)]
    keep = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "PYTHONWARNINGS"}}
    return keep | {
        "PYTHONPATH": os.pathsep.join(folders),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONWARNINGS": "ignore",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }


def run_python(
    version: str, script: Path | str, *args: str, cwd: Path | None = None, timeout: float = 900
) -> subprocess.CompletedProcess[str]:
    """Run a script (or any first argument of the interpreter, such as ``-c``) on one release of Opacus.

    ``timeout`` is in seconds; ``subprocess.TimeoutExpired`` is raised beyond it. The exit status is
    the caller's to judge.
    """
    return subprocess.run(
        [sys.executable, str(script), *args],
        env=environment(version),
        cwd=cwd,
        timeout=timeout,
        capture_output=True,
        text=True,
        check=False,
    )


@cache
def _release(version: str) -> Path:
    for root in (os.environ.get("DPMIGRATE_OPACUS_RELEASES"), CACHE):
        if root and (Path(root) / version / "opacus" / "__init__.py").is_file():
            return Path(root) / version
    with _lock(version):
        target = CACHE / version
        if not target.is_dir():
            _install(version, target)
        return target


def _install(version: str, target: Path) -> None:
    """Install beside the target and rename, so that a folder under its final name is always whole."""
    partial = Path(tempfile.mkdtemp(prefix=f"{version}.partial-", dir=CACHE))
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--no-compile",
    ]
    try:
        done = subprocess.run(
            [*command, "--target", str(partial), f"opacus=={version}"],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
            raise ReleaseUnavailableError(
                f"opacus {version} is not on disk and needs the network to install: {last}"
            )
        partial.rename(target)
    except subprocess.TimeoutExpired as error:
        raise ReleaseUnavailableError(
            f"opacus {version} is not on disk and needs the network: pip timed out"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextlib.contextmanager
def _lock(version: str) -> Iterator[None]:
    """Let one of several test processes install a release while the others wait."""
    CACHE.mkdir(exist_ok=True)
    try:
        import fcntl
    except ImportError:  # not POSIX: rename alone decides, the loser of a race gets an error from it
        yield
        return
    with (CACHE / f"{version}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
