"""What is done the first time alone: ``if self.engine is None:``, ``if round_number == 0:``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import dropwhile
from typing import NamedTuple

import libcst as cst
from libcst.helpers import get_full_name_for_node

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.frames import Frame
from dpmigrate.analysis.ledger.circumstances import Turn
from dpmigrate.analysis.source.tree import assigned_in, every

_ROUND = re.compile(r"round|rnd|epoch|iteration", re.IGNORECASE)
_ROUND_OF_ALL = re.compile(r"round|rnd", re.IGNORECASE)
"""Of these what no loop inside a round counts anew."""
_MISSING = ("None", "False")
_MOVES = ("to", "cuda", "cpu", "train", "eval", "float", "double")
"""Methods of a model that return the model."""


def in_one_round(ip: Interpreter, node: cst.CSTNode) -> bool:
    """Whether a method comes here in one round alone: of a number, or while an attribute is missing."""
    return any(
        _asks_for_a_round(around.test)
        or any(_is_missing_once(frame, around, asked, None) for asked in _asked_for(around.test))
        for frame, around, inner in ways_up(ip, node)
        if isinstance(around, cst.If) and around.body is inner
    )


def _asks_for_a_round(test: cst.BaseExpression, told: bool = False) -> bool:
    """Whether a test holds in one round: ``config["round"] == 1``, ``server_round == 1 and private``.

    ``told``: by something that has the number, ``message.round``, which no loop counts anew.
    """
    named = _ROUND_OF_ALL if told else _ROUND
    return any(
        isinstance(part, (cst.Name, cst.SimpleString)) and named.search(part.value) is not None
        for number in map(_held_to_a_number, _conjuncts(test))
        if number is not None and not isinstance(number, cst.BinaryOperation)
        if not told or isinstance(number, (cst.Attribute, cst.Subscript))
        for part in every(number)
    )


def _conjuncts(test: cst.BaseExpression) -> Iterator[cst.BaseExpression]:
    """What has to hold for a test to hold, ``and`` taken apart."""
    if isinstance(test, cst.BooleanOperation) and isinstance(test.operator, cst.And):
        yield from _conjuncts(test.left)
        yield from _conjuncts(test.right)
    else:
        yield test


def _held_to_a_number(test: cst.BaseExpression) -> cst.BaseExpression | None:
    """What ``... == 0`` compares with a number that is written."""
    if not isinstance(test, cst.Comparison) or len(test.comparisons) != 1:
        return None
    compared = test.comparisons[0]
    one = isinstance(compared.operator, cst.Equal) and isinstance(compared.comparator, cst.Integer)
    return test.left if one else None


def turns_of_one_time(ip: Interpreter, node: cst.CSTNode) -> frozenset[Turn]:
    """The loops around a place that come to it in one of their turns alone."""
    once: set[Turn] = set()
    tests: list[tuple[Frame, cst.If]] = []
    for frame, around, inner in ways_up(ip, node):
        if isinstance(around, cst.If) and around.body is inner:
            tests.append((frame, around))
        elif isinstance(around, (cst.For, cst.While)) and any(
            _holds_in_one_turn(branch.test, around)
            or _asks_for_a_round(branch.test, told=True)
            or any(
                _is_missing_once(where, branch, asked, frame) and not _taken_away(around, branch, asked)
                for asked in _asked_for(branch.test)
            )
            for where, branch in tests
        ):
            once.update(turn for turn in ip.loops if turn.loop.node is around)
    return frozenset(once)


def ways_up(ip: Interpreter, node: cst.CSTNode) -> Iterator[tuple[Frame, cst.CSTNode, cst.CSTNode]]:
    """What is around a place and around the calls on the way to it, innermost first, each with the part of
    it that holds the place."""
    # What a method of an engine's subclass makes stands where the program calls that.
    frames = dropwhile(lambda frame: not _holds(frame, node), reversed(ip.frames))
    for frame in frames:
        if node not in frame.module.nesting:
            return  # a framework calls it, and names a place of its own
        inner = node
        for around in frame.module.nesting.above(node):
            if frame.function is not None and around is frame.function.node:
                break
            yield frame, around, inner
            inner = around
        if frame.call is None:
            break
        node = frame.call


def _holds(frame: Frame, node: cst.CSTNode) -> bool:
    """Whether a node stands in the code of an activation."""
    if node not in frame.module.nesting:
        return False
    return frame.function is None or any(
        around is frame.function.node for around in frame.module.nesting.above(node)
    )


class _Asked(NamedTuple):
    """What a test finds missing, as it is written."""

    name: str
    kind: bool = False
    """Whether it asks what kind of thing that is: then whatever else is assigned takes it away."""


def _is_missing_once(where: Frame, branch: cst.If, asked: _Asked, loop: Frame | None) -> bool:
    """Whether what a test finds missing is there for good once its branch was taken.

    ``loop`` is the activation whose loop comes here again, None where a framework does: a variable of
    another one is begun anew each time.
    """
    function = where.function
    owner = function.owner.node if function is not None and function.owner is not None else None
    if asked.name.startswith("self.") and isinstance(owner, cst.ClassDef):
        return _is_set_for_good(owner, asked, branch)
    kept = "." in asked.name or loop is where or asked.name in where.foreign
    return loop is not None and kept and asked.name in set(assigned_in(branch.body))


def _asked_for(test: cst.BaseExpression) -> Iterator[_Asked]:
    """What a test finds missing: ``engine is None``, ``not self.ready``, ``not isinstance(net, Wrapped)``."""
    for part in _conjuncts(test):
        yield from _asked_for_in(part)


def _asked_for_in(test: cst.BaseExpression) -> Iterator[_Asked]:
    held: cst.BaseExpression | None = None
    if isinstance(test, cst.Comparison) and len(test.comparisons) == 1:
        compared = test.comparisons[0]
        none = isinstance(compared.comparator, cst.Name) and compared.comparator.value == "None"
        of_a_type = isinstance(compared.operator, (cst.IsNot, cst.NotEqual)) and _calls(test.left, "type")
        if of_a_type or (none and isinstance(compared.operator, (cst.Is, cst.Equal))):
            held = test.left
    elif isinstance(test, cst.UnaryOperation) and isinstance(test.operator, cst.Not):
        held = test.expression
    if isinstance(held, cst.Call):
        yield from _of_builtin(held)
    elif (name := _written(held)) is not None:
        yield _Asked(name)


def _of_builtin(call: cst.Call) -> Iterator[_Asked]:
    """What a call of a builtin asks for: ``hasattr(self, "engine")``, ``isinstance(model, Wrapped)``."""
    owner = _written(call.args[0].value) if call.args else None
    if owner is None:
        return
    if any(_calls(call, function) for function in ("isinstance", "type", "hasattr", "getattr")):
        yield _Asked(owner, kind=True)
    asked = call.args[1].value if len(call.args) > 1 else None
    if isinstance(asked, cst.SimpleString) and not _calls(call, "isinstance"):
        yield _Asked(f"{owner}.{asked.evaluated_value!s}")


def _calls(node: cst.CSTNode, function: str) -> bool:
    return isinstance(node, cst.Call) and isinstance(node.func, cst.Name) and node.func.value == function


def _written(node: cst.CSTNode | None) -> str | None:
    """A variable or an attribute as it is written; None for anything else."""
    return get_full_name_for_node(node) if isinstance(node, (cst.Name, cst.Attribute)) else None


def _is_set_for_good(owner: cst.ClassDef, asked: _Asked, branch: cst.If) -> bool:
    """Whether methods beside ``__init__`` give an attribute something, and none takes it away again."""
    given = [
        part
        for method in every(owner.body)
        if isinstance(method, cst.FunctionDef) and method.name.value != "__init__"
        for part in every(method.body)
        if isinstance(part, (cst.Assign, cst.AnnAssign)) and asked.name in set(assigned_in(part))
    ]
    inside = {id(node) for node in every(branch.body)}
    return bool(given) and not any(_takes_away(part, asked) for part in given if id(part) not in inside)


def _taken_away(loop: cst.For | cst.While, branch: cst.If, asked: _Asked) -> bool:
    """Whether a loop makes something missing again that a branch in it gives."""
    inside = {id(node) for node in every(branch.body)}
    return any(
        asked.name in set(assigned_in(part)) and _takes_away(part, asked)
        for part in every(loop.body)
        if isinstance(part, (cst.Assign, cst.AnnAssign)) and id(part) not in inside
    )


def _takes_away(part: cst.Assign | cst.AnnAssign, asked: _Asked) -> bool:
    """Whether an assignment makes something missing again."""
    value = part.value
    if value is None:
        return False
    if isinstance(value, cst.Name) and value.value in _MISSING:
        return True
    if not asked.kind:
        return False
    method = value.func if isinstance(value, cst.Call) else None
    if not isinstance(method, cst.Attribute):
        return True
    return method.attr.value not in _MOVES or _written(method.value) != asked.name


def _holds_in_one_turn(test: cst.BaseExpression, loop: cst.For | cst.While) -> bool:
    """Whether a test holds in one turn of a loop: ``number == 0`` in ``for number in range(5)``."""
    counted = set(assigned_in(loop)) - set(assigned_in(loop.body)) if isinstance(loop, cst.For) else set()
    for part in _conjuncts(test):
        if isinstance(part, cst.UnaryOperation) and isinstance(part.operator, cst.Not):
            number: cst.BaseExpression | None = part.expression
        else:
            number = _held_to_a_number(part)
        if number is not None and get_full_name_for_node(number) in counted:
            return True
    return False
