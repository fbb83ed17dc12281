"""Statements that branch, repeat or end something: conditions, loops and context managers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

import libcst as cst

from dpmigrate.analysis import registry
from dpmigrate.analysis.core import Interpreter, statement
from dpmigrate.analysis.domain.atoms import GRAD_MODE, Atom, Const, External, Obj, Unknown, is_number
from dpmigrate.analysis.domain.store import Delta, Slot
from dpmigrate.analysis.domain.values import NONE, NOTHING, Class, Function, Seq, Value, join_all, of
from dpmigrate.analysis.frames import LoopControl
from dpmigrate.analysis.guards import ALWAYS, Guard, doubt
from dpmigrate.analysis.language import narrowing, outcomes
from dpmigrate.analysis.language.assignment import as_taken, assign_target, iterate, write_told
from dpmigrate.analysis.language.classes import find_member
from dpmigrate.analysis.language.counting import counts_begun, number_of_turns
from dpmigrate.analysis.language.exceptions import WaysOut, suppressed
from dpmigrate.analysis.language.managers import AFTER_THE_YIELD
from dpmigrate.analysis.language.statements import done
from dpmigrate.analysis.language.unrolling import grows_meanwhile, turns_that_make_layers, worth_unrolling
from dpmigrate.analysis.ledger import Turn
from dpmigrate.analysis.source.once import read_once
from dpmigrate.analysis.source.tree import children

_SUPPRESS = External("contextlib.suppress")
MAX_APART = 2
"""Conditions within one another whose branches are executed once for each way into them."""


def _is_for_type_checkers(ip: Interpreter, test: cst.BaseExpression) -> bool:
    """Whether a test is of ``TYPE_CHECKING``: what a type checker imports are the names of annotations."""
    if isinstance(test, cst.UnaryOperation):
        test = test.expression
    if not isinstance(test, (cst.Name, cst.Attribute)):
        return False
    atom = ip.evaluate(test).only
    return isinstance(atom, External) and atom.name in registry.CONSTANTS


@statement(cst.If)
def _if(ip: Interpreter, node: cst.If) -> bool:
    def other() -> bool:
        if node.orelse is None:
            return True
        return ip.execute(node.orelse.body if isinstance(node.orelse, cst.Else) else node.orelse)

    outcome = narrowing.narrow(ip, node.test)
    if not (outcome.true.possible and outcome.false.possible) and _is_for_type_checkers(ip, node.test):
        _import_names(ip, node.body if outcome.false.possible else node.orelse)
    return _either(ip, node.test, outcome, lambda: ip.execute(node.body), other)


@statement(cst.Expr)
def _expression_statement(ip: Interpreter, node: cst.Expr) -> bool:
    """A call for what it does; ``f() if private else g()`` and ``private and f()`` are branches, too."""
    value = node.value
    then: cst.BaseExpression | None
    otherwise: cst.BaseExpression | None
    if isinstance(value, cst.IfExp):
        test, then, otherwise = value.test, value.body, value.orelse
    elif isinstance(value, cst.BooleanOperation):
        test = value.left
        then, otherwise = (value.right, None) if isinstance(value.operator, cst.And) else (None, value.right)
    else:
        return done(ip, value)
    outcome = narrowing.narrow(ip, test)
    body, other = (partial(_done_if_any, ip, part) for part in (then, otherwise))
    return _either(ip, test, outcome, body, other)


def _done_if_any(ip: Interpreter, node: cst.BaseExpression | None) -> bool:
    return node is None or done(ip, node)


def _either(
    ip: Interpreter,
    test: cst.BaseExpression,
    outcome: outcomes.Outcome,
    body: Callable[[], bool],
    other: Callable[[], bool],
) -> bool:
    """Execute what a test that came out so leads to; whether anything goes on."""
    around = ip.path
    opaque = not outcome.telling

    def taking(branch: outcomes.Branch, then: Callable[[], bool]) -> Callable[[], bool]:
        def action() -> bool:
            write_told(ip, branch)
            ip.conditional += opaque
            ip.tests.append((test, len(ip.loops), around))
            try:
                return then()
            finally:
                ip.tests.pop()
                ip.conditional -= opaque

        return action

    branches = []
    either = outcome.true.possible and outcome.false.possible
    for outcome_branch, then in ((outcome.true, body), (outcome.false, other)):
        unsure = frozenset({doubt(id(test), ip.context, then is other)}) if either else ALWAYS
        if outcome_branch.possible:
            ways = _ways(ip, outcome_branch)
            for way in ways:
                ip.asks(test, way.guard | unsure)
            branches += [(way.guard - ip.path or unsure, taking(way, then)) for way in ways]
    apart = len(branches) > 2
    ip.apart_ways += apart
    try:
        return ip.alternatives(branches) if branches else True
    finally:
        ip.apart_ways -= apart


def _import_names(ip: Interpreter, node: cst.CSTNode | None) -> None:
    """Execute the imports in a part of the code that does not run."""
    for line in children(node.body if isinstance(node, cst.Else) else node) if node is not None else ():
        for part in line.body if isinstance(line, cst.SimpleStatementLine) else (line,):
            if isinstance(part, (cst.Import, cst.ImportFrom)):
                ip.execute(part)


def _ways(ip: Interpreter, branch: outcomes.Branch) -> tuple[outcomes.Branch, ...]:
    """The ways into a branch, each of which its body is executed for; one where that goes too deep."""
    return branch.each() if ip.apart_ways < MAX_APART else (branch,)


@statement(cst.For)
def _for(ip: Interpreter, node: cst.For) -> bool:
    sequence = ip.evaluate(node.iter)
    grows = read_once(ip, grows_meanwhile, node)
    items = worth_unrolling(ip, sequence) or turns_that_make_layers(ip, node, sequence) if not grows else None
    if items is not None:
        several = sequence.entries[0]
        return _unrolled(ip, node, [as_taken(ip, several, item, node.iter) for item in items])
    element = iterate(ip, sequence, node.iter)
    registry.tell_hooks(ip, "<a turn for each>", registry.CallInfo(node, [element]))
    counts = counts_begun(ip, node)

    def take_next() -> None:
        by_now = join_all([element, iterate(ip, ip.evaluate(node.iter), node.iter)]) if grows else element
        assign_target(ip, node.target, by_now)

    alive = _loop(ip, node, take_next)
    turns = number_of_turns(ip, node, sequence) if counts else NOTHING
    for name in counts if turns else ():
        assign_target(ip, cst.Name(name), turns)
    return alive


def _unrolled(ip: Interpreter, node: cst.For, items: Sequence[Value]) -> bool:
    with _leaving(ip, node.orelse) as control:
        for index, item in enumerate(items):
            with ip.inside(node, index):
                turn = Turn(ip.origin(node), index)
                ends = _once(ip, control, turn, node.body, partial(assign_target, ip, node.target, item))
            if ends:
                ip.store.join(ends)
            else:
                control.ends = False
                break
    return control.goes_on


def _loop(ip: Interpreter, node: cst.For | cst.While, bind: Callable[[], object]) -> bool:
    """Execute a loop body until nothing changes (at most three times), at least once.

    Constants that it goes on changing are not the ones of the second time: they are given up.
    """
    with _leaving(ip, node.orelse) as control:
        for last in (False, True, True):
            ends = _once(ip, control, Turn(ip.origin(node)), node.body, bind)
            before = {slot: ip.store.get(*slot) for delta, _ in ends for slot in delta}
            told_of = outcomes.told_in_a_loop(ip, before)
            if not ends or not ip.store.join(ends):
                break
            for slot in outcomes.forget_tests(ip, told_of):
                before.pop(slot, None)
            _give_up(ip, node, before, last)
            if last and not _grew(ip, before):
                break
    return control.goes_on


@contextmanager
def _leaving(ip: Interpreter, otherwise: cst.Else | None) -> Iterator[LoopControl]:
    """A loop in a layer of its own: each ``break`` leaves with what the loop had done by then.

    What stands in its ``else`` is done where it ends without one.
    """
    ip.store.push()
    control = LoopControl(ip.store.depth - 1)
    ended = False
    try:
        yield control
        if otherwise is not None and control.ends:
            control.ends = ip.execute(otherwise.body)
        ended = True
    finally:
        delta = ip.store.pop()
        if ended:
            left = [(delta, ALWAYS)] if control.ends or otherwise is None else []
            control.goes_on = bool(left or control.breaks)
            if control.goes_on:
                ip.store.join([*left, *control.breaks])


def _once(
    ip: Interpreter,
    control: LoopControl,
    turn: Turn,
    body: cst.BaseSuite,
    bind: Callable[[], object],
) -> list[tuple[Delta, Guard]]:
    """Execute a loop body; the states in which the next time may begin, none if it does not get there."""
    control.continues.clear()
    ip.store.push()
    saved = ip.path
    ip.frame.loops.append(control)
    ip.loops.append(turn)
    try:
        alive = bind() is not False and ip.execute(body)
        last = [(ip.store.snapshot(control.depth), ALWAYS)] if alive else []
        return [*control.continues, *last]
    finally:
        ip.frame.loops.pop()
        ip.loops.pop()
        ip.path = saved
        ip.store.pop()


def _give_up(ip: Interpreter, node: cst.CSTNode, before: Mapping[Slot, Value | None], last: bool) -> None:
    """Make what a loop counts or puts together unknown, once its body changed it.

    A number that changed the first time goes on changing; any other constant, flags apart, may
    have been set for good, and is given up when it changes a second time. The loop may end after any
    of its turns, so that what another one left in a variable is as good as what the last one did.
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
        elif last:
            gone = _gone(old, new)
            if gone:
                ip.store.set(*slot, join_all([new, gone]))


def _gone(old: Value, new: Value) -> Value:
    """What a variable may have held that it holds no more, of what turns of a loop exchange."""
    left = set(new.atoms)
    return old.select(lambda atom: _may_be_exchanged(atom) and atom not in left)


def _may_be_exchanged(atom: Atom) -> bool:
    """Whether a variable that holds it may hold another one after the next turn of a loop."""
    return isinstance(atom, (Seq, Obj, Function, Class))


def _grew(ip: Interpreter, before: Mapping[Slot, Value | None]) -> bool:
    """Whether anything may now be one more thing that matters, so that another turn would see it there."""
    for slot, old in before.items():
        atoms_before = set((old or NOTHING).atoms)
        if any(
            a not in atoms_before and not isinstance(a, Unknown)
            for a in (ip.store.get(*slot) or NOTHING).atoms
        ):
            return True
    return False


def _is_number(atom: Atom) -> bool:
    return isinstance(atom, Const) and is_number(atom.value)


@statement(cst.While)
def _while(ip: Interpreter, node: cst.While) -> bool:
    def bind() -> bool:
        return narrowing.enter(ip, narrowing.narrow(ip, node.test).true)

    return _loop(ip, node, bind)


@statement(cst.With)
def _with(ip: Interpreter, node: cst.With) -> bool:
    if len(node.items) == 1 and _suppresses(ip, node.items[0].item):
        return suppressed(ip, node)
    asynchronous = node.asynchronous is not None
    at_the_end: list[Callable[[], object]] = []
    off = ip.gradients_off
    for managed in node.items:
        value = ip.evaluate(managed.item)
        manager = value.only
        if isinstance(manager, Obj) and manager.kind == GRAD_MODE:
            off = not manager.data
        ends = AFTER_THE_YIELD.of(ip).pop(value.only, None)
        ends = ends or ending_of(ip, value, managed.item, asynchronous)
        at_the_end += [ends] if ends is not None else []
        entered = enter_context(ip, value, managed.item, asynchronous)
        if managed.asname is not None:
            assign_target(ip, managed.asname.name, entered)
    if not at_the_end:
        return _execute_within(ip, node.body, off)

    def end() -> bool:
        for each in reversed(at_the_end):
            each()
        return True

    ways_out = WaysOut(ip)
    alive = _execute_within(ip, node.body, off)
    ways_out.go_through(end)
    return alive and end()


def _execute_within(ip: Interpreter, body: cst.BaseSuite, gradients_off: bool) -> bool:
    """Execute a block in which torch keeps a graph, or none."""
    before, ip.gradients_off = ip.gradients_off, gradients_off
    try:
        return ip.execute(body)
    finally:
        ip.gradients_off = before


def _suppresses(ip: Interpreter, manager: cst.BaseExpression) -> bool:
    """Whether a context manager is ``contextlib.suppress(...)``."""
    func = manager.func if isinstance(manager, cst.Call) else None
    return isinstance(func, (cst.Name, cst.Attribute)) and ip.evaluate(func).only == _SUPPRESS


def ending_of(
    ip: Interpreter, value: Value, node: cst.CSTNode, asynchronous: bool = False
) -> Callable[[], object] | None:
    """What the project's own context managers do at the end of a ``with``; None where there is none."""
    from dpmigrate.analysis.language.calls import call_own

    name = "__aexit__" if asynchronous else "__exit__"

    def leaving(atom: Atom) -> Callable[[], bool]:
        def action() -> bool:
            call_own(ip, atom, name, registry.CallInfo(node, [NONE, NONE, NONE]))
            return True

        return action

    if not any(_has(ip, atom, name) for atom in value.atoms):
        return None
    return lambda: ip.alternatives([(e.guard, leaving(e.atom)) for e in value.entries])


def _has(ip: Interpreter, atom: Atom, method: str) -> bool:
    """Whether the project itself wrote a method of an object."""
    return (
        isinstance(atom, Obj) and atom.kind == "instance" and find_member(ip, atom.data, method) is not None
    )


def enter_context(ip: Interpreter, value: Value, node: cst.CSTNode, asynchronous: bool = False) -> Value:
    """What ``with value as x`` binds."""
    from dpmigrate.analysis.language.calls import call_method

    name = "__aenter__" if asynchronous else "__enter__"
    parts: list[Value] = []
    for e in value.entries:
        atom = e.atom
        handler = registry.ENTERING.get(atom.kind) if isinstance(atom, Obj) else None
        if handler is not None:
            parts.append(handler(ip, e, node).guarded(e.guard))
        elif isinstance(atom, Obj) and atom.kind == "generator-manager":
            ends = AFTER_THE_YIELD.of(ip).pop(atom, None)
            if ends is not None:  # a stack of managers, which ends nobody knows where
                ends()
            parts.append(atom.data.guarded(e.guard))
        elif isinstance(atom, Obj) and atom.kind == "instance":
            parts.append(call_method(ip, atom, name, registry.CallInfo(node)).guarded(e.guard))
        else:
            parts.append(Value((e,)))
    return join_all(parts)
