"""What is made where nothing is there under a key: ``if client not in engines:``, ``setdefault``, a cache."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst
from libcst.helpers import get_full_name_for_node

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.frames import Frame
from dpmigrate.analysis.ledger.circumstances import Turn
from dpmigrate.analysis.library.first_time import ways_up
from dpmigrate.analysis.source.tree import catches, every

_CACHES = frozenset(["lru_cache", "cache", "cached", "memoize"])


def turns_that_look_it_up(ip: Interpreter, node: cst.CSTNode) -> frozenset[Turn]:
    """The loops around a place that make something there for each key once, and look it up from then on."""
    kept: set[Turn] = set()
    for frame, container in _containers(ip, node):
        kept.update(turn for turn in ip.loops if not _made_anew(frame, container, turn.loop.node))
    return frozenset(kept)


def is_looked_up(ip: Interpreter, node: cst.CSTNode) -> bool:
    """Whether a method that a framework calls again and again makes something there for each key once."""
    return any(not _made_anew(frame, container, None) for frame, container in _containers(ip, node))


def _containers(ip: Interpreter, node: cst.CSTNode) -> Iterator[tuple[Frame, str]]:
    """What is asked for a key before something is made, as it is written ("" for a cached function)."""
    for frame, around, inner in ways_up(ip, node):
        code = frame.code
        for container in _asked(around, inner, code):
            if container is not None and _stores(code, container):
                yield frame, container
        if isinstance(around, cst.Call) and (given := _given_by_default(around, inner)) is not None:
            yield frame, given
    for frame in ip.frames:
        decorators = frame.function.decorators if frame.function is not None else ()
        if any(str(name).rpartition(".")[2] in _CACHES for name in decorators):
            yield frame, ""


def _given_by_default(call: cst.Call, inner: cst.CSTNode) -> str | None:
    """``engines`` of ``engines.setdefault(client, PrivacyEngine())``."""
    method = call.func if isinstance(call.func, cst.Attribute) else None
    if method is None or inner is call.func or method.attr.value != "setdefault":
        return None
    return get_full_name_for_node(method.value)


def _asked(around: cst.CSTNode, inner: cst.CSTNode, code: cst.CSTNode) -> Iterator[str | None]:
    """The containers in which a statement, or an expression, around a place finds nothing."""
    if isinstance(around, cst.IndentedBlock):
        yield from (_lacks(left.test, code, holds=False) for left in _left_before(around, inner))
    elif isinstance(around, (cst.If, cst.IfExp)):
        yield _lacks(around.test, code, holds=inner is around.body)
    elif isinstance(around, cst.BooleanOperation) and inner is around.right:
        if isinstance(around.operator, cst.Or):
            yield _got(around.left)
    elif isinstance(around, cst.Try) and isinstance(inner, cst.ExceptHandler) and catches(inner, "KeyError"):
        yield from (_got(part) for part in every(around.body))


def _left_before(block: cst.IndentedBlock, inner: cst.CSTNode) -> Iterator[cst.If]:
    """The branches before a statement that return: ``if client in engines: return engines[client]``."""
    for statement in block.body:
        if statement is inner:
            return
        last = statement.body.body[-1] if isinstance(statement, cst.If) and statement.body.body else None
        last = last.body[-1] if isinstance(last, cst.SimpleStatementLine) else None
        if isinstance(statement, cst.If) and isinstance(last, cst.Return):
            yield statement


def _lacks(test: cst.BaseExpression, code: cst.CSTNode, holds: bool) -> str | None:
    """The container that has no such key where a test holds, or where it does not."""
    if isinstance(test, cst.UnaryOperation) and isinstance(test.operator, cst.Not):
        return _got_before(test.expression, code) if holds else None
    if not isinstance(test, cst.Comparison) or len(test.comparisons) != 1:
        return None
    compared = test.comparisons[0]
    if isinstance(compared.operator, cst.NotIn if holds else cst.In):
        return get_full_name_for_node(compared.comparator)
    none = isinstance(compared.comparator, cst.Name) and compared.comparator.value == "None"
    is_none = isinstance(compared.operator, (cst.Is, cst.Equal) if holds else (cst.IsNot, cst.NotEqual))
    return _got_before(test.left, code) if none and is_none else None


def _got_before(asked: cst.BaseExpression, code: cst.CSTNode) -> str | None:
    """The container of what a test asks for: ``engines.get(client)``, or a variable that was given it."""
    if not isinstance(asked, cst.Name):
        return _got(asked)
    given = (
        _got(node.value)
        for node in every(code)
        if isinstance(node, cst.Assign) and any(asked.deep_equals(t.target) for t in node.targets)
    )
    return next((container for container in given if container is not None), None)


def _got(node: cst.CSTNode) -> str | None:
    """``engines`` of ``engines.get(client)`` and of ``engines[client]``."""
    if isinstance(node, cst.Subscript):
        return get_full_name_for_node(node.value)
    method = node.func if isinstance(node, cst.Call) else None
    if isinstance(method, cst.Attribute) and method.attr.value == "get":
        return get_full_name_for_node(method.value)
    return None


def _stores(code: cst.CSTNode, container: str) -> bool:
    """Whether some code puts something under a key of a container."""
    return any(
        isinstance(target.target, cst.Subscript) and get_full_name_for_node(target.target.value) == container
        for node in every(code)
        if isinstance(node, cst.Assign)
        for target in node.targets
    )


def _made_anew(frame: Frame, container: str, loop: cst.CSTNode | None) -> bool:
    """Whether each turn of a loop, or each call, begins with another container."""
    function = frame.function.node if frame.function is not None else None
    within = loop is not None and any(node is loop for node in every(function or frame.module.tree))
    scope = loop if within else function
    return scope is not None and any(
        get_full_name_for_node(target.target) == container
        for node in every(scope)
        if isinstance(node, cst.Assign)
        for target in node.targets
        if isinstance(target.target, (cst.Name, cst.Attribute))
    )
