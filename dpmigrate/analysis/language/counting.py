"""Lengths: counted one by one, ``sum(1 for _ in loader)``, and kept above zero, ``max(len(data), 1)``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import A_LENGTH, Const, Length, Obj, Unknown
from dpmigrate.analysis.domain.values import NOTHING, Value, of
from dpmigrate.analysis.source.once import read_once
from dpmigrate.analysis.source.tree import assigned_in, every


def counts_begun(ip: Interpreter, loop: cst.For) -> list[str]:
    """The variables to which a loop adds one in each of its turns, beginning at zero."""
    names = read_once(ip, _counted_in, loop)
    return [n for n in names if ip.evaluate(cst.Name(n)).only == Const(0)]


def _counted_in(loop: cst.For) -> list[str]:
    """The variables to which a loop adds one in each of its turns, and which it sets nowhere else."""
    names = list(_added_to(loop))
    if not names or any(isinstance(node, (cst.Break, cst.Continue)) for node in every(loop.body)):
        return []
    assigned = [*assigned_in(loop.body)]
    return [n for n in names if assigned.count(n) == 1]


def _added_to(loop: cst.For) -> Iterator[str]:
    for line in loop.body.body:
        for part in line.body if isinstance(line, cst.SimpleStatementLine) else ():
            if not isinstance(part, cst.AugAssign) or not isinstance(part.operator, cst.AddAssign):
                continue
            one = isinstance(part.value, cst.Integer) and part.value.evaluated_value == 1
            if one and isinstance(part.target, cst.Name):
                yield part.target.value


def number_of_turns(ip: Interpreter, node: cst.CSTNode, over: Value) -> Value:
    """How many turns a loop over a loader or a data set has; empty for a loop over anything else."""
    whole = over.only
    if isinstance(whole, Unknown) or (isinstance(whole, Obj) and whole.kind.endswith(("loader", "dataset"))):
        return of(Unknown(("count", id(node), ip.context), A_LENGTH, frozenset({Length(whole)})))
    return NOTHING


def counted_by_a_sum(ip: Interpreter, call: cst.CSTNode) -> Value:
    """What ``sum(1 for _ in loader)`` gives; empty for any other sum."""
    each = call.args[0].value if isinstance(call, cst.Call) and len(call.args) == 1 else None
    if not isinstance(each, (cst.GeneratorExp, cst.ListComp)) or not isinstance(each.elt, cst.Integer):
        return NOTHING
    clause = each.for_in
    if each.elt.evaluated_value != 1 or clause.ifs or clause.inner_for_in is not None:
        return NOTHING
    return number_of_turns(ip, call, ip.evaluate(clause.iter))


def kept_above_zero(values: Sequence[Value]) -> Value:
    """What is counted in ``max(len(data), 1)`` and ``max(1, steps)``; empty for anything else.

    Nothing is trained on no records, so that what stands for a count of zero is never one of a run.
    """
    counted = [v for v in values if v.entries and all(isinstance(e.atom, Unknown) for e in v.entries)]
    others = [v for v in values if v not in counted]
    return counted[0] if len(counted) == 1 and others and all(map(_at_most_one, others)) else NOTHING


def length_or_one(left: Value, right: Value) -> Value:
    """The length in ``len(data) or 1``; empty for anything else."""
    is_length = all(isinstance(e.atom, Unknown) and e.atom.reason == A_LENGTH for e in left.entries)
    return kept_above_zero([left, right]) if is_length else NOTHING


def _at_most_one(value: Value) -> bool:
    constants = [e.atom.value if isinstance(e.atom, Const) else None for e in value.entries]
    return bool(constants) and all(isinstance(c, (int, float)) and 0 < c <= 1 for c in constants)
