"""Which names a piece of code mentions, nested definitions included: a quick look before a long one.

LibCST's own ``children`` builds a visitor for every node; reading the fields directly is an
order of magnitude faster, and this looks at every function of every parsed module.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import libcst as cst

_SKIPPED = (
    "whitespace",
    "leading",
    "lpar",
    "rpar",
    "semicolon",
    "comma",
    "header",
    "footer",
    "trailing",
    "lines_after",
)
_DEFINITIONS = frozenset([cst.FunctionDef, cst.ClassDef])
_SEQUENCES = frozenset([list, tuple])
_LEAVES = frozenset([str, bool, type(None), cst.MaybeSentinel])
_FIELDS: dict[type[Any], tuple[str, ...]] = {}


def _fields(kind: type[Any]) -> tuple[str, ...]:
    known = _FIELDS.get(kind)
    if known is None:
        known = _FIELDS[kind] = tuple(
            f.name
            for f in fields(kind)
            if not f.name.startswith(_SKIPPED) and f.name not in ("value_", "quote")
        )
    return known


class Mentions:
    """The names in functions and classes, each definition looked at once."""

    def __init__(self) -> None:
        self._known: dict[int, frozenset[str]] = {}

    def of(self, node: cst.CSTNode) -> frozenset[str]:
        """Every identifier inside a node: names, attributes, keywords, definitions."""
        found = self._known.get(id(node))
        if found is None:
            names: set[str] = set()
            for part in self._parts(node):
                if type(part) is cst.Name:
                    names.add(part.value)
                else:
                    names |= self.of(part)
            found = self._known[id(node)] = frozenset(names)
        return found

    def _parts(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """The names below a node, and the definitions among them, which are asked in turn."""
        stack: list[cst.CSTNode] = [node]
        while stack:
            current = stack.pop()
            kind = type(current)
            if kind is cst.Name or (current is not node and kind in _DEFINITIONS):
                yield current
                continue
            for name in _fields(kind):
                held = getattr(current, name)
                # Asking abstract base classes is most of the time; what is no sequence and has no
                # fields of a node (text, None, a sentinel) has no names either.
                if type(held) in _SEQUENCES:
                    stack.extend(held)
                elif type(held) not in _LEAVES:
                    stack.append(held)
