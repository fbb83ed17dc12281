"""What only the text of a piece of code says, read once: trees do not change while they are interpreted."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import libcst as cst

Answer = TypeVar("Answer")
Code = TypeVar("Code", bound=cst.CSTNode | tuple[cst.CSTNode, ...])


def read_once(notes: dict[Hashable, Any], read: Callable[[Code], Answer], code: Code) -> Answer:
    """What ``read`` says of some code, kept in the notes of an interpretation, by what asks and of what."""
    key = "read once", read, code
    if key not in notes:
        notes[key] = read(code)
    answer: Answer = notes[key]
    return answer
