"""How a script ended, where it raised: what its record says of the error, and what its output shows."""

from __future__ import annotations

import re
import sys
import traceback

from dpmigrate.runtime.messages import error_line
from dpmigrate.runtime.run.places import is_library, is_own, shown_place
from dpmigrate.runtime.run.processes import advice
from dpmigrate.runtime.run.records import RunRecord

GPU = re.compile(
    "not compiled with cuda|no cuda gpus are available|found no nvidia driver|nccl|invalid device ordinal"
    "|cuda driver version is insufficient|deserialize object on a cuda device|expected one of cpu, cuda"
)
"""What is said where a GPU is missing."""


def note_error(record: RunRecord, error: BaseException) -> None:
    """Write down that the script, or a process that it has started, raised this."""
    record.outcome = "raised"
    record.error = error_line(error) + _where(error)
    record.advice = advice.for_error(error, record.engines)
    record.gpu = GPU.search(str(error).lower()) is not None


def print_traceback(error: BaseException) -> None:
    """What Python prints for the script alone, without the frames that run it here."""
    said = traceback.TracebackException(type(error), error, error.__traceback__)
    said.stack[:] = [frame for frame in said.stack if not is_own(frame.filename)]
    # A module that is not there is in no line of the project: the verdict says it all.
    if said.stack or not isinstance(error, ImportError):
        sys.stderr.writelines(said.format())


def _where(error: BaseException) -> str:
    """The innermost line of the traceback that lies in the user's code."""
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        path = frame.f_code.co_filename
        if not is_library(path):
            return f" ({shown_place(path, line)})"
    return ""
