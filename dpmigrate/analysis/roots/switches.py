"""Switches in the code: constants that keep a call from being reached, until somebody edits them.

``USE_DP = False`` above ``if USE_DP:`` is how scripts and notebooks spell an option. What it turns on
is as much a part of the program as what ``--use-dp`` does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.source.mentions import MENTIONS, Mentions
from dpmigrate.analysis.source.tree import MAKING_CALLS, children, makes_private

_ENDS = (cst.Return, cst.Raise, cst.Continue, cst.Break)


def switches_of(ip: Interpreter) -> frozenset[int]:
    """The literals ``True`` and ``False`` (by identity) on which calls depend that made no run.

    Only code that was entered counts: what nothing calls is entered as an outsider would, anyway.
    """
    reached = {id(run.origin.node) for run in ip.runs.values()}
    entered = {id(fn.node) for fn in ip.made if fn.key in ip.entered}
    mentions = MENTIONS.of(ip)
    infos = list(ip.executed.values())
    names: set[str] = set()
    for info in infos:
        if any(call.encode() in info.source.data for call in MAKING_CALLS):
            for conditions in _unreached(info.tree.body, [], reached, entered, mentions):
                names |= {name for test in conditions for name in _named(test)}
    if not names:
        return frozenset()
    return frozenset(id(node) for info in infos for node in _settings(info.tree, names))


def _unreached(
    body: Sequence[cst.CSTNode],
    conditions: list[cst.CSTNode],
    reached: set[int],
    entered: set[int],
    mentions: Mentions,
) -> Iterator[list[cst.CSTNode]]:
    """The tests on the way to each call that makes a run and was not reached."""
    conditions = list(conditions)
    for node in body:
        if not mentions.of(node) & MAKING_CALLS:
            if isinstance(node, cst.If) and _leaves(node):
                conditions.append(node.test)
            continue
        if isinstance(node, cst.FunctionDef):
            if id(node) in entered:
                yield from _unreached([node.body], [], reached, entered, mentions)
        elif makes_private(node):
            if conditions and id(node) not in reached:
                yield conditions
        elif isinstance(node, (cst.If, cst.IfExp)):
            yield from _unreached(children(node), [*conditions, node.test], reached, entered, mentions)
        else:
            yield from _unreached(children(node), conditions, reached, entered, mentions)


def _leaves(node: cst.If) -> bool:
    """Whether a branch ends the function or the turn of the loop."""
    last: cst.CSTNode | None = node.body.body[-1] if node.body.body else None
    if isinstance(last, cst.SimpleStatementLine):
        last = last.body[-1]
    return isinstance(last, _ENDS)


def _named(test: cst.CSTNode) -> Iterator[str]:
    """Names, attributes and string keys in a test."""
    stack = [test]
    while stack:
        node = stack.pop()
        if isinstance(node, cst.Name):
            yield node.value
        elif isinstance(node, cst.SimpleString):
            yield str(node.evaluated_value)
        else:
            stack.extend(children(node))


def _settings(tree: cst.CSTNode, names: set[str]) -> Iterator[cst.Name]:
    """The literals that something of one of these names is set to, anywhere in a module."""
    stack: list[cst.CSTNode] = [tree]
    while stack:
        node = stack.pop()
        for name, value in _bound(node):
            if name in names and isinstance(value, cst.Name) and value.value in ("True", "False"):
                yield value
        stack.extend(children(node))


def _bound(node: cst.CSTNode) -> Iterator[tuple[str, cst.CSTNode | None]]:
    if isinstance(node, cst.Assign):
        for target in node.targets:
            yield _last(target.target), node.value
    elif isinstance(node, cst.AnnAssign):
        yield _last(node.target), node.value
    elif isinstance(node, cst.Param):
        yield node.name.value, node.default
    elif isinstance(node, cst.Arg) and node.keyword is not None:
        yield node.keyword.value, node.value
    elif isinstance(node, cst.DictElement) and isinstance(node.key, cst.SimpleString):
        yield str(node.key.evaluated_value), node.value


def _last(target: cst.CSTNode) -> str:
    """The name, attribute or string key that an assignment sets; else empty."""
    if isinstance(target, cst.Attribute):
        return target.attr.value
    if isinstance(target, cst.Subscript) and len(target.slice) == 1:
        index = target.slice[0].slice
        target = index.value if isinstance(index, cst.Index) else index
        return str(target.evaluated_value) if isinstance(target, cst.SimpleString) else ""
    return target.value if isinstance(target, cst.Name) else ""
