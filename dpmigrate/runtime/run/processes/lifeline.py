"""No process outlives the one that started it, however that one ended.

A fork or child asks for its parent's process id now and then: once the parent is gone, SIGKILL
included, the system has given it another. Works on Linux and macOS alike, and costs no file
descriptor that a script's own processes could keep open.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress

PAUSE = 0.5
"""Seconds between two looks at the parent."""


def follow_parent(parent: int, end: Callable[[], None]) -> None:
    """Call ``end`` from a thread of its own as soon as ``parent`` is no longer this process's parent.

    Threads do not survive a fork: every fork that is to follow has to ask for itself.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PAUSE)
        end()

    threading.Thread(target=watch, name="dpmigrate-lifeline", daemon=True).start()


def end_group() -> None:
    """Kill this process and everything that it started in its process group."""
    os.killpg(os.getpgrp(), signal.SIGKILL)


def interrupt() -> None:
    """End this process as Ctrl-C does, so that it cleans up behind itself."""
    os.kill(os.getpid(), signal.SIGINT)


def kill_group(leader: int) -> None:
    """Kill what is left of another process group; nothing may be."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
