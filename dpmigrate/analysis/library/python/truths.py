"""Functions that answer True or False: each answer stands under what it takes, as a comparison's does."""

from __future__ import annotations

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Const, Unknown
from dpmigrate.analysis.domain.values import Entry, Value, merge_entries
from dpmigrate.analysis.guards import ALWAYS, contradict, together
from dpmigrate.analysis.language.narrowing import narrow_call
from dpmigrate.analysis.language.operators import truth_value
from dpmigrate.analysis.language.outcomes import MAX_WAYS, split_by_truth
from dpmigrate.analysis.language.unrolling import exact_items
from dpmigrate.analysis.registry import CallInfo, data_of, function


@function("builtins.isinstance", "builtins.hasattr")
def _asked_of_an_object(ip: Interpreter, info: CallInfo) -> Value:
    """``private = isinstance(model, GradSampleModule)``, to be tested later.

    Of what is unknown it may be either, which is no evidence that the program means to have both.
    """
    unknown = any(isinstance(data_of(atom), Unknown) for atom in info.argument(0, "obj").atoms)
    outcome = narrow_call(ip, info.node) if not unknown else None
    return truth_value(ip, info.node, outcome) if outcome is not None else ip.unknown(info.node, "a test")


@function("builtins.any", "builtins.all")
def _asked_of_items(ip: Interpreter, info: CallInfo) -> Value:
    """``all([args.private, args.ghost])``: the first item that decides ends it."""
    items = exact_items(ip, info.argument(0, "iterable"))
    if not items:
        return ip.unknown(info.node, "a test")
    stops_at = info.name == "builtins.any"
    because = (ip.origin(info.node, "test"),)
    answers: list[Entry] = []
    ways = [ALWAYS]
    for item in items:
        yes, no = split_by_truth(ip, item)
        stopping, going_on = (yes, no) if stops_at else (no, yes)
        decided = Value(tuple(Entry(Const(stops_at), e.guard, because) for e in stopping.entries))
        answers += [entry for way in ways for entry in decided.guarded(way).entries]
        ways = [
            together(way, e.guard) for way in ways for e in going_on.entries if not contradict(way, e.guard)
        ]
        if len(ways) > MAX_WAYS:
            return ip.unknown(info.node, "a test")
    return merge_entries([*answers, *(Entry(Const(not stops_at), way, because) for way in ways)])
