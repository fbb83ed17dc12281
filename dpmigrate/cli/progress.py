"""A line on a terminal that says what takes long; nothing anywhere else."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

DELAY = 1.0
"""Seconds before anything is said: short work says nothing."""


@contextmanager
def said(text: str) -> Iterator[None]:
    """Show ``text`` on standard error while work goes on, if that is a terminal and it takes long."""
    stream = sys.stderr
    if not stream.isatty():
        yield
        return
    shown = threading.Event()

    def show() -> None:
        shown.set()
        stream.write(f"{text} ...")
        stream.flush()

    timer = threading.Timer(DELAY, show)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        if shown.is_set():
            stream.write("\r\x1b[K")
            stream.flush()
