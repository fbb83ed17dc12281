"""Tests of counters in a loop, as its text has them: ``i % k``, and a count that begins again at k."""

from __future__ import annotations

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Const
from dpmigrate.analysis.domain.values import NOTHING, Bound, Function, Value, const
from dpmigrate.analysis.registry import CallInfo, function
from dpmigrate.analysis.source.tree import every, names_in


def comes_round_after(ip: Interpreter, test: cst.BaseExpression) -> Value | None:
    """After how many turns of the loop around it a test of a counter is the same; None for other tests.

    A test that is a parameter is read where the call is: ``advance(optimizer, i % 8 == 0)``.
    """
    loop = ip.loops[-1].loop.node if ip.loops else None
    function = ip.frame.function
    test = _as_assigned(test, loop.body if isinstance(loop, (cst.For, cst.While)) else None)
    test = _as_assigned(test, function.node.body if function is not None else None)
    divisor = _divisor(test) or _count_to(test, loop)
    if divisor is not None:
        return ip.evaluate(divisor)
    given = argument_for(ip, test)
    if given is None:
        return _returned_after(ip, test)
    inner = ip.frames.pop()
    try:
        return comes_round_after(ip, given)
    finally:
        ip.frames.append(inner)


def _returned_after(ip: Interpreter, test: cst.BaseExpression) -> Value | None:
    """The same of a test that a function of the program makes for it: ``if turn.tick():``.

    What it counts to is looked up at the object that has the method; anything else but a number is unknown.
    """
    call = test.expression if isinstance(test, cst.UnaryOperation) else test
    if not isinstance(call, cst.Call):
        return None
    for atom in ip.evaluate(call.func).atoms:
        function = atom.function if isinstance(atom, Bound) else atom
        body = function.node.body if isinstance(function, Function) else None
        last = body.body[-1] if isinstance(body, cst.IndentedBlock) else None
        returned = last.body[-1] if isinstance(last, cst.SimpleStatementLine) else None
        divisor = _divisor(returned.value) if isinstance(returned, cst.Return) and returned.value else None
        if divisor is None:
            continue
        if (
            isinstance(divisor, cst.Attribute)
            and isinstance(atom, Bound)
            and names_in(divisor.value) == {"self"}
        ):
            return ip.read(atom.receiver, divisor.attr.value) or ip.unknown(divisor, "what is counted to")
        return ip.evaluate(divisor) if isinstance(divisor, cst.Integer) else ip.unknown(divisor, "counted to")
    return None


def argument_for(ip: Interpreter, test: cst.BaseExpression) -> cst.BaseExpression | None:
    """What the call of this function gives for a parameter, which a test is, or is ``not``."""
    name = test.expression if isinstance(test, cst.UnaryOperation) else test
    function, call = ip.frame.function, ip.frame.call
    if not isinstance(name, cst.Name) or function is None or not isinstance(call, cst.Call):
        return None
    parameters = [p.name.value for p in function.node.params.params]
    if name.value not in parameters or any(arg.star for arg in call.args):
        return None
    named = [a.value for a in call.args if a.keyword is not None and a.keyword.value == name.value]
    place = parameters.index(name.value) - (parameters[0] == "self")
    positional = [a.value for a in call.args if a.keyword is None]
    return next(iter([*named, *positional[place : place + 1]]), None)


def _as_assigned(test: cst.BaseExpression, body: cst.CSTNode | None) -> cst.BaseExpression:
    """A test; for a name, or ``not`` of one, what the body of the loop, or of the function, assigns to it."""
    name = test.expression if isinstance(test, cst.UnaryOperation) else test
    if not isinstance(name, cst.Name) or not isinstance(body, cst.BaseSuite):
        return test
    for line in body.body:
        for part in line.body if isinstance(line, cst.SimpleStatementLine) else ():
            if isinstance(part, cst.Assign) and name.deep_equals(part.targets[0].target):
                return part.value
    return test


def _divisor(test: cst.CSTNode) -> cst.BaseExpression | None:
    """What a test takes a counter modulo of."""
    for node in every(test):
        if isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.Modulo):
            return node.right
    return None


def _count_to(test: cst.BaseExpression, loop: cst.CSTNode | None) -> cst.BaseExpression | None:
    """What a count is compared with that the loop adds to, and sets back to 0, or counts down from to 0."""
    if not isinstance(test, cst.Comparison) or len(test.comparisons) != 1 or loop is None:
        return None
    count, limit = test.left, test.comparisons[0].comparator
    down = isinstance(limit, cst.Integer) and limit.evaluated_value == 0
    moved, back = False, None
    for node in every(loop):
        if isinstance(node, cst.AugAssign) and count.deep_equals(node.target):
            moved = moved or isinstance(node.operator, cst.SubtractAssign if down else cst.AddAssign)
        elif isinstance(node, cst.Assign) and len(node.targets) == 1:
            zero = isinstance(node.value, cst.Integer) and node.value.evaluated_value == 0
            if count.deep_equals(node.targets[0].target) and zero != down:
                back = node.value
    return (back if down else limit) if moved and back is not None else None


def counters_of(loop: cst.For) -> set[str]:
    """What a loop counts: ``for i in range(...)``, ``for i, batch in enumerate(...)``."""
    func = loop.iter.func if isinstance(loop.iter, cst.Call) else None
    called = func.value if isinstance(func, cst.Name) else ""
    target: cst.CSTNode = loop.target
    if called == "enumerate" and isinstance(target, cst.Tuple):
        target = target.elements[0].value
    return {target.value} if called in ("range", "enumerate") and isinstance(target, cst.Name) else set()


@function("<arithmetic>")
def _of_every_turn(ip: Interpreter, info: CallInfo) -> Value:
    """``i % 1`` of what a loop counts is 0 in every turn."""
    node = info.node
    if (
        info.name != "Modulo"
        or info.positional[1].only != Const(1)
        or not isinstance(node, cst.BinaryOperation)
    ):
        return NOTHING
    loops = [turn.loop.node for turn in ip.loops]
    counted = {name for loop in loops if isinstance(loop, cst.For) for name in counters_of(loop)}
    names = names_in(node.left)
    return const(0) if names and names <= counted else NOTHING
