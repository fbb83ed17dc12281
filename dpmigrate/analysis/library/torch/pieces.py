"""Pieces of a batch: where there is one alone, it is the batch."""

from __future__ import annotations

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Const
from dpmigrate.analysis.domain.values import Entry, Seq, Value, of
from dpmigrate.analysis.language.functions import unknown_call
from dpmigrate.analysis.registry import CallInfo, method


@method("unknown", "chunk")
def _chunks(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """``x.chunk(1)``."""
    if info.argument(0, "chunks").only == Const(1):
        return of(Seq((Value((e,)),)))
    return unknown_call(ip, e.atom, info)
