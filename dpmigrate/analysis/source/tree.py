"""Reading LibCST nodes: children, by fields (LibCST's own ``children`` is ten times slower), and keywords."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from functools import lru_cache
from operator import attrgetter
from typing import Any, TypeVar

import libcst as cst
from libcst.helpers import get_full_name_for_node

_LAYOUT = (
    "whitespace",
    "leading",
    "lpar",
    "rpar",
    "semicolon",
    "comma",
    "header",
    "footer",
    "trailing",
    "lines",
)
_SEQUENCES = frozenset([list, tuple])
_LEAVES = frozenset([str, bool, type(None), cst.MaybeSentinel])
"""Asking abstract base classes would be most of the time: what is neither of these is a node."""

_FIELDS: dict[type[Any], Callable[[cst.CSTNode], tuple[Any, ...]]] = {}
"""What takes the fields of a kind of node, in the order of the text."""


def children(node: cst.CSTNode) -> list[cst.CSTNode]:
    """The nodes directly below a node, whitespace and punctuation left out."""
    take = _FIELDS.get(type(node)) or _fields_of(type(node))
    below: list[cst.CSTNode] = []
    for value in take(node):
        kind = type(value)
        if kind in _LEAVES:
            continue
        if kind in _SEQUENCES:
            below += value
        else:
            below.append(value)
    return below


def _fields_of(kind: type[Any]) -> Callable[[cst.CSTNode], tuple[Any, ...]]:
    names = [f.name for f in fields(kind) if not f.name.startswith(_LAYOUT) and f.type is not str]
    take = _FIELDS[kind] = _taking(names)
    return take


def _taking(names: Sequence[str]) -> Callable[[cst.CSTNode], tuple[Any, ...]]:
    if len(names) > 1:
        return attrgetter(*names)
    if not names:
        return lambda node: ()
    only = attrgetter(*names)
    return lambda node: (only(node),)


def every(root: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """A node and all that is below it, in the order of the text."""
    pending = [root]
    while pending:
        node = pending.pop()
        yield node
        pending += reversed(children(node))


def names_in(*roots: cst.CSTNode) -> set[str]:
    """The names that stand in some code, those of attributes and keywords among them."""
    return {node.value for root in roots for node in every(root) if isinstance(node, cst.Name)}


def contains(root: cst.CSTNode, wanted: cst.CSTNode) -> bool:
    """Whether a node is another one, or below it."""
    return any(node is wanted for node in every(root))


def in_a_line(node: cst.CSTNode) -> str:
    """The text of an expression for a message: on one line, its end left out where it is long."""
    text = " ".join(cst.Module([]).code_for_node(node).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def keyword_node(call: cst.CSTNode | None, name: str) -> cst.Arg | None:
    """The argument of a call that is written as ``name=...``."""
    for arg in getattr(call, "args", ()):
        if arg.keyword is not None and arg.keyword.value == name:
            return arg if isinstance(arg, cst.Arg) else None
    return None


@lru_cache(maxsize=2_000)
def assigned_in(node: cst.CSTNode) -> tuple[str, ...]:
    """The variables and attributes, as written, that something below assigns, or an item of, each time.

    Kept, because the same functions and classes are asked about in every call of what stands in them.
    """
    targets = _targets_in(node, (*_BINDING, cst.AugAssign))
    return tuple(name for target in targets if (name := get_full_name_for_node(target)) is not None)


@lru_cache(maxsize=2_000)
def bound_in(node: cst.CSTNode) -> tuple[str, ...]:
    """The variables that something below a node binds, each time: ``x += y`` changes a list, which stays."""
    return tuple(target.value for target in _targets_in(node, _BINDING) if isinstance(target, cst.Name))


_BINDING = (cst.AssignTarget, cst.AnnAssign, cst.NamedExpr, cst.For, cst.CompFor)


def _targets_in(root: cst.CSTNode, kinds: tuple[type[cst.CSTNode], ...]) -> Iterator[cst.CSTNode]:
    for node in every(root):
        if isinstance(node, kinds):
            yield from _single_targets(node.target)  # type: ignore[attr-defined]
        elif isinstance(node, cst.WithItem) and node.asname is not None:
            yield from _single_targets(node.asname.name)


def _single_targets(target: cst.CSTNode) -> Iterator[cst.CSTNode]:
    if isinstance(target, (cst.Tuple, cst.List)):
        for element in target.elements:
            yield from _single_targets(element.value)
    else:
        yield target


MAKING_CALLS = frozenset(["make_private", "make_private_with_epsilon"])
"""The methods of an engine that make a private run."""


def makes_private(node: cst.CSTNode) -> bool:
    """Whether a node is a call of a method of that name, whoever's it is."""
    return (
        isinstance(node, cst.Call)
        and isinstance(node.func, cst.Attribute)
        and node.func.attr.value in MAKING_CALLS
    )


Node = TypeVar("Node", bound=cst.CSTNode)

_SCOPES = frozenset([cst.FunctionDef, cst.Lambda, cst.ClassDef])


class Nesting:
    """The nodes of one tree in the order of the text, so that what is below one costs as much as there is.

    Whitespace and punctuation are left out; nodes are told by identity.
    """

    def __init__(self, tree: cst.Module) -> None:
        self.nodes: list[cst.CSTNode] = []
        self._around = array("i")
        """For each node the number of the one around it; the tree itself has none."""
        self._scopes = array("i")
        """For each node the number of the innermost function, lambda or class around it, else 0."""
        pending: list[tuple[cst.CSTNode, int, int]] = [(tree, -1, 0)]
        while pending:
            node, around, scope = pending.pop()
            number = len(self.nodes)
            self.nodes.append(node)
            self._around.append(around)
            self._scopes.append(scope)
            if type(node) in _SCOPES:
                scope = number
            pending += [(child, number, scope) for child in reversed(children(node))]
        self._ends = array("i", range(1, len(self.nodes) + 1))
        """For each node the number after the last one below it."""
        for number in range(len(self.nodes) - 1, 0, -1):
            around = self._around[number]
            if self._ends[around] < self._ends[number]:
                self._ends[around] = self._ends[number]
        self._numbers = dict(zip(map(id, self.nodes), range(len(self.nodes)), strict=True))
        self._types: dict[type[cst.CSTNode], list[int]] = {}
        for number, node in enumerate(self.nodes):
            self._types.setdefault(type(node), []).append(number)
        self._kinds: dict[type[cst.CSTNode], list[int]] = {}

    def __contains__(self, node: cst.CSTNode) -> bool:
        return id(node) in self._numbers

    def number(self, node: cst.CSTNode) -> int:
        """A node's place in the order of the text. Raises KeyError for a node of another tree."""
        return self._numbers[id(node)]

    def parent(self, node: cst.CSTNode) -> cst.CSTNode | None:
        """The node around a node."""
        around = self._around[self._numbers[id(node)]]
        return self.nodes[around] if around >= 0 else None

    def above(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """The nodes around a node, innermost first."""
        around = self._around[self._numbers[id(node)]]
        while around >= 0:
            yield self.nodes[around]
            around = self._around[around]

    def below(self, root: cst.CSTNode) -> list[cst.CSTNode]:
        """A node and all that is below it."""
        first = self._numbers[id(root)]
        return self.nodes[first : self._ends[first]]

    def inside(self, root: cst.CSTNode, kind: type[Node]) -> list[Node]:
        """Those of a kind, the node itself among them."""
        first = self._numbers[id(root)]
        return [self.nodes[n] for n in self._between(first, self._ends[first], kind)]  # type: ignore[misc]

    def own(self, scope: cst.CSTNode, kind: type[Node]) -> list[Node]:
        """Those of a kind below a node, what is below a nested function or class left out."""
        first = self._numbers[id(scope)]
        wanted = first if type(scope) in _SCOPES else self._scopes[first]
        numbers = self._between(first + 1, self._ends[first], kind)
        return [self.nodes[n] for n in numbers if self._scopes[n] == wanted]  # type: ignore[misc]

    def _between(self, first: int, end: int, kind: type[cst.CSTNode]) -> list[int]:
        numbers = self._kinds.get(kind)
        if numbers is None:
            of_types = [of_type for each, of_type in self._types.items() if issubclass(each, kind)]
            numbers = (
                of_types[0] if len(of_types) == 1 else sorted(n for of_type in of_types for n in of_type)
            )
            self._kinds[kind] = numbers
        return numbers[bisect_left(numbers, first) : bisect_left(numbers, end)]


def assigned_to(root: cst.CSTNode, target: cst.CSTNode) -> cst.BaseExpression | None:
    """What an assignment somewhere below ``root`` gives this very target."""
    for node in every(root):
        if isinstance(node, cst.Assign) and any(each.target is target for each in node.targets):
            return node.value
    return None


def meant_by(expression: cst.BaseExpression, around: cst.CSTNode) -> Iterator[cst.BaseExpression]:
    """An expression, and what the variables in it are assigned in the function around it."""
    yield expression
    names = names_in(expression)
    for node in every(around):
        if isinstance(node, cst.Assign):
            for target in (t.target for t in node.targets):
                if isinstance(target, cst.Name) and target.value in names:
                    yield node.value
                elif isinstance(target, cst.Tuple) and not isinstance(node.value, cst.Tuple):
                    if any(
                        isinstance(one.value, cst.Name) and one.value.value in names
                        for one in target.elements
                    ):
                        yield node.value
                elif isinstance(target, cst.Tuple) and isinstance(node.value, cst.Tuple):
                    for one, value in zip(target.elements, node.value.elements, strict=False):
                        if isinstance(one.value, cst.Name) and one.value.value in names:
                            yield value.value


def catches(handler: cst.ExceptHandler | cst.ExceptStarHandler, *names: str) -> bool:
    """Whether a handler is for any of some exceptions, as far as its text tells."""
    if handler.type is None:
        return True
    kinds = (
        [e.value for e in handler.type.elements] if isinstance(handler.type, cst.Tuple) else [handler.type]
    )
    told = {(get_full_name_for_node(kind) or "").removeprefix("builtins.") for kind in kinds}
    return not told.isdisjoint((*names, "Exception", "BaseException"))
