"""Statements that branch: conditions, loops, contexts and exceptions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import libcst as cst

from dpmigrate.analysis import narrowing, outcomes
from dpmigrate.analysis.assignment import assign_name, assign_target, iterate
from dpmigrate.analysis.core import MAX_UNROLL, Interpreter, LoopControl, statement
from dpmigrate.analysis.guards import ALWAYS, Guard, Literal, shorten
from dpmigrate.analysis.library import registry
from dpmigrate.analysis.store import Slot
from dpmigrate.analysis.values import (
    NOTHING,
    Atom,
    Class,
    Const,
    External,
    Function,
    Obj,
    Seq,
    Unknown,
    Value,
    join_all,
    of,
)

MAX_APART = 2
"""Conditions within one another whose branches are executed once for each way into them."""


@statement(cst.If)
def _if(ip: Interpreter, node: cst.If) -> bool:
    outcome = narrowing.narrow(ip, node.test)
    opaque = not outcome.telling

    def taking(branch: outcomes.Branch, body: Callable[[], bool]) -> Callable[[], bool]:
        def action() -> bool:
            for target, value in branch.rebinds:
                assign_target(ip, target, value, narrowing=True)
            ip.conditional += opaque
            try:
                return body()
            finally:
                ip.conditional -= opaque

        return action

    def other() -> bool:
        if node.orelse is None:
            return True
        return ip.execute(node.orelse.body if isinstance(node.orelse, cst.Else) else node.orelse)

    branches = []
    for outcome_branch, body in ((outcome.true, lambda: ip.execute(node.body)), (outcome.false, other)):
        if outcome_branch.possible:
            branches += [(way.guard, taking(way, body)) for way in _ways(ip, outcome_branch)]
    apart = len(branches) > 2
    ip.apart_ways += apart
    try:
        return ip.alternatives(branches) if branches else True
    finally:
        ip.apart_ways -= apart


def _ways(ip: Interpreter, branch: outcomes.Branch) -> tuple[outcomes.Branch, ...]:
    """The ways into a branch, each of which its body is executed for; one where that goes too deep."""
    return branch.each() if ip.apart_ways < MAX_APART else (branch,)


@statement(cst.Match)
def _match(ip: Interpreter, node: cst.Match) -> bool:
    subject = ip.evaluate(node.subject)
    rest = subject
    branches: list[tuple[Guard, Callable[[], bool]]] = []
    complete = False
    for case in node.cases:
        constants = _pattern_constants(ip, case.pattern)
        if constants is not None:
            yes = NOTHING
            for c in constants:
                hit, rest = outcomes.split(rest, ("eq", c), partial(narrowing.equals, c))
                yes = join_all([yes, hit])
            if not yes:
                continue
            guard = outcomes.common_guard(yes)
            bound = yes
        else:
            guard, bound = outcomes.common_guard(rest), rest
            complete = complete or (
                isinstance(case.pattern, cst.MatchAs) and case.pattern.pattern is None and case.guard is None
            )

        def action(case: cst.MatchCase = case, bound: Value = bound) -> bool:
            if isinstance(node.subject, cst.Name):
                assign_name(ip, node.subject.value, bound)
            if isinstance(case.pattern, cst.MatchAs) and case.pattern.name is not None:
                assign_name(ip, case.pattern.name.value, bound)
            return ip.execute(case.body)

        branches.append((guard - ip.path, action))
    if not complete and rest:
        branches.append((outcomes.common_guard(rest) - ip.path, lambda: True))
    return ip.alternatives(branches) if branches else True


def _pattern_constants(ip: Interpreter, pattern: cst.MatchPattern) -> list[object] | None:
    if isinstance(pattern, cst.MatchValue):
        atom = ip.evaluate(pattern.value).only
        return [atom.value] if isinstance(atom, Const) else None
    if isinstance(pattern, cst.MatchSingleton):
        return [{"True": True, "False": False, "None": None}[pattern.value.value]]
    if isinstance(pattern, cst.MatchOr):
        found: list[object] = []
        for part in pattern.patterns:
            inner = _pattern_constants(ip, part.pattern)
            if inner is None:
                return None
            found.extend(inner)
        return found
    return None


@statement(cst.For)
def _for(ip: Interpreter, node: cst.For) -> bool:
    sequence = ip.evaluate(node.iter)
    items = _worth_unrolling(sequence)
    if items is not None:
        return _unrolled(ip, node, items)
    element = iterate(ip, sequence, node.iter)
    alive = _loop(ip, node, node.body, lambda: assign_target(ip, node.target, element))
    if alive and node.orelse is not None:
        return ip.execute(node.orelse.body)
    return alive


def _worth_unrolling(value: Value) -> Sequence[Value] | None:
    atom = value.only
    if not isinstance(atom, Seq) or atom.items is None or not 0 < len(atom.items) <= MAX_UNROLL:
        return None

    def telling(item: Value) -> bool:
        return any(
            isinstance(a, (Function, Class, Obj, External))
            or (isinstance(a, Const) and isinstance(a.value, (str, bool)))
            or (isinstance(a, Seq) and a.items is not None and any(telling(v) for v in a.items))
            for a in item.atoms
        )

    return atom.items if any(telling(item) for item in atom.items) else None


def _unrolled(ip: Interpreter, node: cst.For, items: Sequence[Value]) -> bool:
    control = LoopControl(ip.store.depth)
    for index, item in enumerate(items):
        ip.store.push()
        control.depth = ip.store.depth - 1
        control.continues.clear()
        saved = ip.path
        ip.frame.loops.append(control)
        ip.loops.append((id(node), index))
        try:
            with ip.inside(("unroll", id(node), index)):
                assign_target(ip, node.target, item)
                alive = ip.execute(node.body)
            ends = [*control.continues, *([(ip.store.snapshot(control.depth), ALWAYS)] if alive else [])]
        finally:
            ip.frame.loops.pop()
            ip.loops.pop()
            ip.path = saved
            ip.store.pop()
        if ends:
            ip.store.join(ends)
        elif not control.breaks:
            break
    if control.breaks:
        ip.store.join([({}, ALWAYS), *control.breaks])
    return True


def _loop(ip: Interpreter, node: cst.CSTNode, body: cst.BaseSuite, bind: Callable[[], object]) -> bool:
    """Execute a loop body until nothing changes (at most twice), at least once.

    Constants that it goes on changing are not the ones of the second time: they are given up.
    """
    breaks = []
    for last in (False, True):
        ip.store.push()
        control = LoopControl(ip.store.depth - 1)
        saved = ip.path
        ip.frame.loops.append(control)
        ip.loops.append(id(node))
        try:
            alive = bind() is not False and ip.execute(body)
            ends = [*control.continues, *([(ip.store.snapshot(control.depth), ALWAYS)] if alive else [])]
        finally:
            ip.frame.loops.pop()
            ip.loops.pop()
            ip.path = saved
            ip.store.pop()
        breaks.extend(control.breaks)
        before = {slot: ip.store.get(*slot) for delta, _ in ends for slot in delta}
        if not ends or not ip.store.join(ends):
            break
        _give_up(ip, node, before, last)
    if breaks:
        ip.store.join([({}, ALWAYS), *breaks])
    return True


def _give_up(ip: Interpreter, node: cst.CSTNode, before: Mapping[Slot, Value | None], last: bool) -> None:
    """Make what a loop counts or puts together unknown, once its body changed it.

    A number that changed the first time goes on changing; any other constant, flags apart, may
    have been set for good, and is given up when it changes a second time.
    """
    for slot, old in before.items():
        new = ip.store.get(*slot)
        if old is None or new is None or new == old:
            continue
        given_up = [a.value for a in new.atoms if isinstance(a, Const) and (last or _is_number(a))]
        if given_up:
            flags = all(isinstance(value, bool) for value in (*given_up, *old.constants()))
            unknown = NOTHING if flags else of(Unknown(("loop", id(node), slot), "changed in a loop"))
            parts = [new, old] if last else [new.select(lambda a: not _is_number(a))]
            ip.store.set(*slot, join_all([*parts, unknown]))


def _is_number(atom: Atom) -> bool:
    return isinstance(atom, Const) and type(atom.value) in (int, float)


@statement(cst.While)
def _while(ip: Interpreter, node: cst.While) -> bool:
    def bind() -> bool:
        return narrowing.enter(ip, narrowing.narrow(ip, node.test).true)

    return _loop(ip, node, node.body, bind)


@statement(cst.With)
def _with(ip: Interpreter, node: cst.With) -> bool:
    for item in node.items:
        entered = enter_context(ip, ip.evaluate(item.item), item.item)
        if item.asname is not None:
            assign_target(ip, item.asname.name, entered)
    return ip.execute(node.body)


def enter_context(ip: Interpreter, value: Value, node: cst.CSTNode) -> Value:
    """What ``with value as x`` binds."""
    from dpmigrate.analysis.calls import call_method

    parts: list[Value] = []
    for e in value.entries:
        atom = e.atom
        handler = registry.ENTERING.get(atom.kind) if isinstance(atom, Obj) else None
        if handler is not None:
            parts.append(handler(ip, e, node).guarded(e.guard))
        elif isinstance(atom, Obj) and atom.kind == "generator-manager":
            parts.append(atom.data.guarded(e.guard))
        elif isinstance(atom, Obj) and atom.kind == "instance":
            parts.append(call_method(ip, atom, "__enter__", registry.CallInfo(node)).guarded(e.guard))
        else:
            parts.append(Value((e,)))
    return join_all(parts)


@statement(cst.Try, cst.TryStar)
def _try(ip: Interpreter, node: cst.Try | cst.TryStar) -> bool:
    saved, known = ip.path, set(ip.runs)
    raised = Literal(("raised", id(node), ip.context), ("truth",), True)
    ip.store.push()
    try:
        alive = ip.execute(node.body)
        if alive and node.orelse is not None:
            alive = ip.execute(node.orelse.body)
    finally:
        after_body = ip.path
        body = ip.store.pop()
        ip.path = saved
    survivors: list[tuple[dict[tuple[object, object], Value], Guard]] = []
    if alive:
        survivors.append((body, frozenset({raised._replace(holds=False)})))
    in_body = [run for key, run in ip.runs.items() if key not in known]
    for handler in node.handlers:
        ip.store.push()
        try:
            ip.store.join([({}, ALWAYS), (body, ALWAYS)])
            if handler.name is not None:
                assign_target(ip, handler.name.name, ip.unknown(handler, "an exception"))
            ip.conditional += 1
            alive_here = ip.execute(handler.body)
        finally:
            ip.conditional -= 1
            delta = ip.store.pop()
            ip.path = saved
        if alive_here:
            survivors.append((delta, frozenset({raised})))
    in_handlers = [run for key, run in ip.runs.items() if key not in known and run not in in_body]
    if in_body or in_handlers:
        # Which of them there is, is known by what raised: what follows belongs to one or the other.
        for runs, holds in ((in_body, False), (in_handlers, True)):
            for run in runs:
                run.guard = shorten(run.guard | {raised._replace(holds=holds)})
    else:
        survivors = [(delta, ALWAYS) for delta, _ in survivors]
    if survivors:
        ip.store.join(survivors)
        if len(survivors) == 1 and alive:
            ip.path = after_body
    if node.finalbody is not None and not ip.execute(node.finalbody.body):
        return False
    return bool(survivors)
