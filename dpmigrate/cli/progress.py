"""A line on a terminal that says what takes long, and how far it is; nothing anywhere else."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

DELAY = 1.0
"""Seconds before anything is said: short work says nothing."""
BROAD = 24
"""Columns of the bar."""

Told = Callable[[int, int], None]
"""Hears how much of how much is done."""


@contextmanager
def said(text: str) -> Iterator[Told]:
    """Show ``text`` on standard error while work goes on, if that is a terminal and it takes long.

    Gives a function that turns the line into a bar, for work that knows how far it is.
    """
    stream = sys.stderr
    if not stream.isatty():
        yield lambda done, total: None
        return
    lock = threading.Lock()
    line = f"{text} ..."
    shown = over = False

    def show() -> None:
        nonlocal shown
        with lock:
            if not over:
                shown = True
                stream.write(f"\r\x1b[K{line}")
                stream.flush()

    def told(done: int, total: int) -> None:
        nonlocal line
        with lock:
            line = f"{text} {done:,} of {total:,} [{'#' * (BROAD * done // max(total, 1)):{BROAD}}]"
        if shown:
            show()

    timer = threading.Timer(DELAY, show)
    timer.daemon = True
    timer.start()
    try:
        yield told
    finally:
        timer.cancel()
        timer.join()
        with lock:
            over = True
        if shown:
            stream.write("\r\x1b[K")
            stream.flush()
