"""What a bound in seconds of CPU comes to on the machine that tests run on, as busy as it is."""

from __future__ import annotations

import time

import libcst as cst

_TEXT = "".join(
    f"def f{i}(a, b=({i}, 2)):\n    for x in a:\n        b[x] = g(x, key=lambda y: y.z)\n    return b\n\n\n"
    for i in range(150)
)
_SECONDS = 0.1
"""What parsing and writing that text takes where the bounds were set (Python 3.11, nothing beside it)."""


def allowed(seconds: float) -> float:
    """As many seconds of CPU as here do the work of ``seconds``; never fewer.

    A core that two processes share does half as much in a second of either: a bound without this
    would say what else the machine had to do.
    """
    start = time.process_time()
    str(cst.parse_module(_TEXT).code)
    return seconds * max(1.0, (time.process_time() - start) / _SECONDS)
