"""What to do about the errors of Opacus and torch that private training meets, in one sentence each."""

from __future__ import annotations

import re
import traceback
import urllib.error
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from dpmigrate.runtime.run.records import EngineRecord
from dpmigrate.workspace.toml import parse_toml

_UNPACKED = re.compile(r"(?:too many|not enough) values to unpack \(expected (\d+)")


@cache
def _known() -> list[tuple[str, str]]:
    """Errors that are known by their message (a regular expression), and what to do about each."""
    text = Path(__file__).with_name("known_errors.toml").read_text(encoding="utf-8")
    return [(error["message"], error["advice"]) for error in parse_toml(text)["error"]]


def for_error(error: BaseException, engines: Sequence[EngineRecord]) -> str:
    """What to do about an error that a script raised; empty where that is not known."""
    text = " ".join(str(error).split())
    said = _for_unpacking(text, engines) or _for_missing(error)
    if said:
        return said
    last = engines[-1] if engines else None
    if last is not None and last.mode == "ghost" and not last.wrapped_api and "is not initialized" in text:
        return 'ghost clipping needs clipping="ghost" as well before Opacus 1.5.3 (DPM408)'
    raised_in = [frame.filename for frame in traceback.extract_tb(error.__traceback__)][-1:]
    line = f"{type(error).__name__}: {text} ({''.join(raised_in)})"
    return next((said for message, said in _known() if re.search(message, line)), "")


def _for_missing(error: BaseException) -> str:
    """How to verify a script whose packages or data are not here."""
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("opacus"):
        return f"install it, or let a file of yours stand in for it: --with {error.name}=FILE.py"
    if isinstance(error, FileNotFoundError) and isinstance(error.filename, str):
        return f"a small file can stand in for data that is not here: --with {error.filename}=FILE"
    if isinstance(error, ConnectionError | urllib.error.URLError):
        return "verify where the data lies already, or judge its model alone (--factory MODULE:FUNCTION)"
    return ""


def _for_unpacking(text: str, engines: Sequence[EngineRecord]) -> str:
    """What ``make_private`` returns, where an error says that its result was unpacked to another number."""
    match = _UNPACKED.search(text)
    if match is None or not engines or any(e.steps for e in engines):
        return ""
    last = engines[-1]
    if last.manual or match[1] not in ("3", "4"):
        return ""
    if "ghost" in last.mode and last.wrapped_api and match[1] == "3":
        return (
            "since Opacus 1.5.3 make_private returns four in ghost mode: model, optimizer, criterion, data "
            "loader (DPM403)"
        )
    if match[1] == "4" and ("ghost" not in last.mode or not last.wrapped_api):
        return "make_private returns four in ghost mode of Opacus 1.5.3 and later alone, and three here"
    return ""
