"""Switches in the code: literals that keep a call from being reached, until somebody changes them.

``USE_DP = False`` above ``if USE_DP:`` is how scripts and notebooks spell an option, and ``MODE = "plain"``
above ``if MODE == "private":``. What it turns on is as much a part of the program as what ``--use-dp`` does.
``self.jobs = []`` is filled by whoever uses the class, before it is asked ``if self.jobs:``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.source.mentions import MENTIONS, Mentions
from dpmigrate.analysis.source.tree import MAKING_CALLS, children, makes_private

_ENDS = (cst.Return, cst.Raise, cst.Continue, cst.Break)


class _Condition(NamedTuple):
    """A test on the way to a call that was not reached."""

    test: cst.CSTNode
    instead: bool
    """Whether where the test fails another call is made, which was reached."""


def switches_of(ip: Interpreter) -> frozenset[int]:
    """The literals (by identity) on which calls depend that made no run.

    Only code that was entered counts: what nothing calls is entered as an outsider would, anyway. What is
    neither on nor off counts where it keeps privacy off: not where it picks one of two calls (``MODE =
    "ghost"``), and not where not all was followed to its end, which may be why there is no run.
    """
    look = _Look(
        frozenset(id(run.origin.node) for run in ip.runs.values()),
        frozenset(id(fn.node) for fn in ip.made if fn.key in ip.entered),
        MENTIONS.of(ip),
    )
    infos = list(ip.executed.values())
    named: set[str] = set()
    keeping_off: set[str] = set()
    for info in infos:
        if any(call.encode() in info.source.data for call in MAKING_CALLS):
            for conditions in look.unreached(info.tree.body, []):
                for condition in conditions:
                    names = set(_named(condition.test))
                    named |= names
                    keeping_off |= set() if condition.instead else names
    if not named:
        return frozenset()
    if ip.roots_exhausted:
        keeping_off = set()
    settings = [setting for info in infos for setting in _settings(info.tree, named, keeping_off)]
    written: dict[str, set[object]] = {}
    for name, node in settings:
        written.setdefault(name, set()).add(getattr(node, "value", type(node)))
    # What is set to one thing here and to another there is no constant that somebody would have to change.
    return frozenset(id(node) for name, node in settings if _is_on_or_off(node) or len(written[name]) == 1)


class _Look(NamedTuple):
    """What to look for calls with that were not reached."""

    reached: frozenset[int]
    entered: frozenset[int]
    mentions: Mentions

    def unreached(
        self, body: Sequence[cst.CSTNode], conditions: list[_Condition]
    ) -> Iterator[list[_Condition]]:
        """The tests on the way to each call that makes a run and was not reached."""
        conditions = list(conditions)
        for node in body:
            if not self.mentions.of(node) & MAKING_CALLS:
                if isinstance(node, cst.If) and _leaves(node):
                    conditions.append(_Condition(node.test, False))
                continue
            if isinstance(node, cst.FunctionDef):
                if id(node) in self.entered:
                    yield from self.unreached([node.body], [])
            elif makes_private(node):
                if conditions and id(node) not in self.reached:
                    yield conditions
            elif isinstance(node, (cst.If, cst.IfExp)):
                for branch in children(node):
                    others = [other for other in children(node) if other is not branch]
                    instead = any(map(self._makes_a_run, others))
                    yield from self.unreached([branch], [*conditions, _Condition(node.test, instead)])
            else:
                yield from self.unreached(children(node), conditions)

    def _makes_a_run(self, node: cst.CSTNode) -> bool:
        """Whether a call was reached in a piece of code."""
        if not self.mentions.of(node) & MAKING_CALLS:
            return False
        return id(node) in self.reached or any(map(self._makes_a_run, children(node)))


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


def _settings(tree: cst.CSTNode, named: set[str], keeping_off: set[str]) -> Iterator[tuple[str, cst.CSTNode]]:
    """The literals that something of one of these names is set to, anywhere in a module, with the name."""
    stack: list[cst.CSTNode] = [tree]
    while stack:
        node = stack.pop()
        for name, value in _bound(node):
            if (name in named and _is_on_or_off(value)) or (name in keeping_off and _is_literal(value)):
                assert value is not None
                yield name, value
        stack.extend(children(node))


def _is_on_or_off(value: cst.CSTNode | None) -> bool:
    return isinstance(value, cst.Name) and value.value in ("True", "False")


def _is_literal(value: cst.CSTNode | None) -> bool:
    if isinstance(value, cst.Name):
        return value.value == "None"
    if isinstance(value, (cst.List, cst.Tuple, cst.Dict)):
        return not value.elements
    return isinstance(value, (cst.SimpleString, cst.Integer, cst.Float))


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
