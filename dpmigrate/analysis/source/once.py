"""What only the text of a piece of code says, read once: trees do not change while they are interpreted."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import libcst as cst

from dpmigrate.analysis.notes import Noting, Slot

Answer = TypeVar("Answer")
Code = TypeVar("Code", bound=cst.CSTNode | tuple[cst.CSTNode, ...])

_READ: Slot[dict[Hashable, Any]] = Slot(dict)
"""The answers, by what asks and of what code."""


def read_once(ip: Noting, read: Callable[[Code], Answer], code: Code) -> Answer:
    """What ``read`` says of some code, kept for an interpretation."""
    answers, key = _READ.of(ip), (read, code)
    if key not in answers:
        answers[key] = read(code)
    answer: Answer = answers[key]
    return answer
