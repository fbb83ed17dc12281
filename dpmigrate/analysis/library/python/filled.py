"""Empty lists and dicts that are given to code which cannot be followed: it may fill them."""

from __future__ import annotations

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import External, Obj
from dpmigrate.analysis.domain.values import NOTHING, Seq, Value, of
from dpmigrate.analysis.language.items import entries_of
from dpmigrate.analysis.language.shared_lists import changed_in_place
from dpmigrate.analysis.registry import CallInfo, function


@function("<unknown call>")
def _may_fill(ip: Interpreter, info: CallInfo) -> Value:
    """``heapq.heappush(queue, job)``: afterwards ``while queue:`` may be entered."""
    callee = info.positional[0].only
    if not isinstance(info.node, cst.Call) or _only_reads(callee):
        return NOTHING
    for argument in info.node.args:
        if argument.star or not isinstance(argument.value, (cst.Name, cst.Attribute)):
            continue
        given = ip.evaluate(argument.value).only
        if isinstance(given, Seq) and given.mutable and given.items == ():
            filled = Seq(None, ip.unknown(argument, "an element"), True)
            changed_in_place(ip, argument.value, of(filled))
        elif (
            isinstance(given, Obj)
            and isinstance(given.node, cst.Dict)
            and entries_of(ip, given) == ({}, False)
        ):
            ip.store.set(given, "rest", ip.unknown(argument, "an entry"))
    return NOTHING


def _only_reads(callee: object) -> bool:
    return isinstance(callee, External) and callee.name.partition(".")[0] in ("builtins", "logging", "json")
