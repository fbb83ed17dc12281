"""How a script ended, where it raised: what its record says of the error, and what its output shows."""

from __future__ import annotations

import traceback

from dpmigrate.runtime.run import advice
from dpmigrate.runtime.run.places import is_library, is_own, shown_place
from dpmigrate.runtime.run.records import RunRecord

GPU_WORDS = (
    "torch not compiled with cuda",
    "no cuda gpus are available",
    "found no nvidia driver",
    "cuda driver version is insufficient",
    "attempting to deserialize object on a cuda device",
    "invalid device ordinal",
    "expected one of cpu, cuda",
    "nccl",
)

LONGEST = 240
"""Characters of an exception's message that are repeated in the verdict."""


def note_error(record: RunRecord, error: BaseException) -> None:
    """Write down that the script, or a process that it has started, raised this."""
    text = " ".join(str(error).split())
    said = advice.for_message(text) or _cut(text)
    record.outcome = "raised"
    record.error = (f"{type(error).__name__}: {said}" if text else type(error).__name__) + _where(error)
    record.advice = advice.for_error(error, record.engines)
    record.gpu = any(word in text.lower() for word in GPU_WORDS)


def print_traceback(error: BaseException) -> None:
    """What Python prints for the script alone, without the frames that run it here."""
    rest = error.__traceback__
    while rest is not None and is_own(rest.tb_frame.f_code.co_filename):
        rest = rest.tb_next
    traceback.print_exception(type(error), error, rest)


def _cut(text: str) -> str:
    """A message of an exception as part of one sentence; the script's output has it in full."""
    return text if len(text) <= LONGEST else text[:LONGEST].rsplit(" ", 1)[0] + " ..."


def _where(error: BaseException) -> str:
    """The innermost line of the traceback that lies in the user's code."""
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        path = frame.f_code.co_filename
        if not is_library(path):
            return f" ({shown_place(path, line)})"
    return ""
