"""Reading LibCST nodes: children, by fields (LibCST's own ``children`` is ten times slower), and keywords."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

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

_FIELDS: dict[type[Any], tuple[str, ...]] = {}


def children(node: cst.CSTNode) -> list[cst.CSTNode]:
    """The nodes directly below a node, whitespace and punctuation left out."""
    kind = type(node)
    names = _FIELDS.get(kind)
    if names is None:
        names = tuple(f.name for f in fields(kind) if not f.name.startswith(_LAYOUT))
        _FIELDS[kind] = names
    found: list[cst.CSTNode] = []
    for name in names:
        value = getattr(node, name)
        kind = type(value)
        if kind in _SEQUENCES:
            found.extend(value)
        elif kind not in _LEAVES:
            found.append(value)
    return found


def every(root: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """A node and all that is below it, in the order of the text."""
    pending = [root]
    while pending:
        node = pending.pop()
        yield node
        pending += reversed(children(node))


def contains(root: cst.CSTNode, wanted: cst.CSTNode) -> bool:
    """Whether a node is another one, or below it."""
    return any(node is wanted for node in every(root))


def keyword_node(call: cst.CSTNode | None, name: str) -> cst.Arg | None:
    """The argument of a call that is written as ``name=...``."""
    for arg in getattr(call, "args", ()):
        if arg.keyword is not None and arg.keyword.value == name:
            return arg if isinstance(arg, cst.Arg) else None
    return None


def assigned_in(node: cst.CSTNode) -> Iterator[str]:
    """The variables and attributes, as they are written, that something below a node assigns to."""
    if isinstance(
        node, (cst.AssignTarget, cst.AugAssign, cst.AnnAssign, cst.NamedExpr, cst.For, cst.CompFor)
    ):
        yield from _written(node.target)
    elif isinstance(node, cst.WithItem) and node.asname is not None:
        yield from _written(node.asname.name)
    for child in children(node):
        yield from assigned_in(child)


def _written(target: cst.CSTNode) -> Iterator[str]:
    name = get_full_name_for_node(target)
    if name is not None:
        yield name
    elif isinstance(target, (cst.Tuple, cst.List)):
        for element in target.elements:
            yield from _written(element.value)


MAKING_CALLS = frozenset(["make_private", "make_private_with_epsilon"])
"""The methods of an engine that make a private run."""


def makes_private(node: cst.CSTNode) -> bool:
    """Whether a node is a call of a method of that name, whoever's it is."""
    return (
        isinstance(node, cst.Call)
        and isinstance(node.func, cst.Attribute)
        and node.func.attr.value in MAKING_CALLS
    )
