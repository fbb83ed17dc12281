"""What only the text of a piece of code says, read once: trees do not change while they are interpreted."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import libcst as cst

Read = TypeVar("Read")
Code = TypeVar("Code", bound=cst.CSTNode)


def read_once(notes: dict[Hashable, Any], read: Callable[[Code], Read], code: Code) -> Read:
    """What ``read`` finds in some code, kept in the notes of an interpretation, by what asks and of what."""
    key = "read once", read, id(code)
    if key not in notes:
        notes[key] = read(code)
    found: Read = notes[key]
    return found
