"""Room on Python's stack for trees as deep as people write them: each ``elif`` stands in the one before."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

FRAMES = 6_000
"""How deep calls may stand in one another: the analysis takes five for each ``elif``, twelve for a call."""
FRAMES_OF_RENDERING = 2_000
"""How deep they may where a tree is rendered: that takes two for each ``elif``, four for a call."""


@contextmanager
def room_for_trees() -> Iterator[None]:
    """While it lasts, calls may stand in one another ``FRAMES`` deep."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, FRAMES))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


@contextmanager
def room_for_rendering() -> Iterator[None]:
    """While it lasts, a tree that is too deep to be followed is too deep to be rendered."""
    before, depth, frame = sys.getrecursionlimit(), 0, sys._getframe()
    while frame.f_back is not None:
        depth, frame = depth + 1, frame.f_back
    sys.setrecursionlimit(depth + FRAMES_OF_RENDERING)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
