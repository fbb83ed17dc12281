"""What ``make_private*`` returns: unpacked, subscripted, iterated."""

from __future__ import annotations

from dataclasses import replace

import libcst as cst

from dpmigrate.analysis import registry
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Atom, Const, Obj
from dpmigrate.analysis.domain.values import NONE, Class, Entry, Seq, Value, join_all, of
from dpmigrate.analysis.language.classes import find_member, is_record, record_fields
from dpmigrate.analysis.ledger import HandedOnWhole, ItemTaken, Unpack
from dpmigrate.analysis.ledger.circumstances import Circumstances
from dpmigrate.analysis.library.opacus.runs import criterion_of, part, result_parts
from dpmigrate.analysis.registry import CallInfo, method
from dpmigrate.analysis.training import TrainingRun


@method("private-result", "<unpack>")
def _unpack(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    assert isinstance(e.atom, Obj)
    run: TrainingRun = e.atom.data
    count, star = info.positional[0].constant, info.positional[1].constant
    ip.happen(run, Unpack(_where_taken_apart(ip, info, e, run), count, star))
    if star is None:
        if count == 4:
            ip.names_ghost(run)
        parts = result_parts(run, count)
        return of(Seq(tuple(map(of, parts)))) if parts else NONE
    whole = result_parts(run, None)
    assert whole is not None
    if len(whole) < count - 1:
        return NONE
    tail = count - star - 1
    values = [of(a) for a in whole]
    middle = of(Seq(tuple(values[star : len(values) - tail]), None, True))
    return of(Seq((*values[:star], middle, *(values[len(values) - tail :] if tail else ()))))


def _where_taken_apart(ip: Interpreter, info: CallInfo, e: Entry, run: TrainingRun) -> Circumstances:
    """The place of it: a statement that makes the call itself takes its result apart whenever it is made."""
    at = ip.at(info.node, e.guard)
    statement = next((n for n in ip.module.nesting.above(info.node) if isinstance(n, cst.Assign)), None)
    made_here = statement is not None and statement.value is run.origin.node
    return replace(at, guard=run.guard) if made_here else at


@method("private-result", "<spread>")
def _spread(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """``train(*engine.make_private(...))``: as many as the releases give that the call is written for."""
    assert isinstance(e.atom, Obj)
    run: TrainingRun = e.atom.data
    old = any(e.atom == Const("ghost") for e in run.argument("clipping").entries)
    if isinstance(info.node, cst.Arg):
        fields = _fields_for(ip, info.node)
        if fields:
            ip.happen(run, Unpack(ip.at(info.node, e.guard), fields, None))
        ip.happen(run, HandedOnWhole(ip.at(info.node, e.guard)))
    parts = result_parts(run, 4 if run.ghost and not old else 3) or []
    return of(Seq(tuple(map(of, parts))))


def _fields_for(ip: Interpreter, spread: cst.Arg) -> int:
    """How many fields ``Private(*make_private(...))`` fills, of a named tuple, say; 0 for other calls."""
    call = next(ip.module.nesting.above(spread), None)
    if not isinstance(call, cst.Call) or len(call.args) != 1:
        return 0
    made = ip.evaluate(call.func).only
    if isinstance(made, Class) and find_member(ip, made, "__init__") is None:
        return len(record_fields(made)) if is_record(made) else 0
    return len(made.data) if isinstance(made, Obj) and made.kind == "record-type" else 0


@method("private-result", "<item>")
def _item(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    assert isinstance(e.atom, Obj)
    run: TrainingRun = e.atom.data
    index = info.positional[0].constant
    ip.happen(run, ItemTaken(ip.at(info.node, e.guard), index))
    model, optimizer, loader = (part(run, k) for k in ("dp-model", "dp-optimizer", "dp-loader"))
    if not run.ghost:
        table: dict[int, list[Atom]] = {
            0: [model],
            1: [optimizer],
            2: [loader],
            -1: [loader],
            -2: [optimizer],
            -3: [model],
        }
    else:
        wrapped = criterion_of(run)
        third: list[Atom] = [wrapped] if run.argument("criterion") else [wrapped, loader]
        table = {0: [model], 1: [optimizer], 2: third, 3: [loader], -1: [loader], -2: [wrapped]}
    return join_all(of(a) for a in table.get(index, []))


def _iterate_result(ip: Interpreter, e: Entry, node: cst.CSTNode) -> Value:
    assert isinstance(e.atom, Obj)
    return join_all(of(a) for a in result_parts(e.atom.data, None) or [])


registry.ITERATION["private-result"] = _iterate_result
