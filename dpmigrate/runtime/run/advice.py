"""What to do about the errors that a step from one Opacus to the next brings, in one sentence each."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dpmigrate.runtime.run.records import EngineRecord

IN_PLACE = (
    "a module or the script changes the output of a hooked layer in place, which Opacus 1.5.4 and later do "
    "not allow: use inplace=False, and h = h + x instead of h += x"
)

_UNPACKED = re.compile(r"(?:too many|not enough) values to unpack \(expected (\d+)")


def for_message(text: str) -> str:
    """A sentence in the place of a message that torch gives no advice in; empty for all others."""
    if "EOF when reading a line" in text:
        return "it asks for input(): give what it asks for as an argument or a default"
    return IN_PLACE if "BackwardHookFunction" in text and "inplace" in text else ""


def for_unpacking(text: str, engines: Sequence[EngineRecord]) -> str:
    """What ``make_private`` returns, where an error says that its result was unpacked to another number."""
    found = _UNPACKED.search(text)
    if found is None or not engines or any(e.steps for e in engines):
        return ""
    last = engines[-1]
    if last.manual or found[1] not in ("3", "4"):
        return ""
    if "ghost" in last.mode and last.wrapped_api and found[1] == "3":
        return (
            "since Opacus 1.5.3 make_private returns four in ghost mode: model, optimizer, criterion, data "
            "loader (DPM403)"
        )
    if found[1] == "4" and ("ghost" not in last.mode or not last.wrapped_api):
        return "make_private returns four in ghost mode of Opacus 1.5.3 and later alone, and three here"
    return ""
