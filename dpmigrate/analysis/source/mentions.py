"""Which names a piece of code mentions, nested definitions included: a quick look before a long one."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from dpmigrate.analysis.notes import Slot
from dpmigrate.analysis.source.tree import children

_DEFINITIONS = frozenset([cst.FunctionDef, cst.ClassDef])


class Mentions:
    """The names in functions and classes, each definition looked at once."""

    def __init__(self) -> None:
        self._known: dict[int, frozenset[str]] = {}

    def of(self, node: cst.CSTNode) -> frozenset[str]:
        """Every identifier inside a node: names, attributes, keywords, definitions."""
        mentioned = self._known.get(id(node))
        if mentioned is None:
            names: set[str] = set()
            for part in self._parts(node):
                if type(part) is cst.Name:
                    names.add(part.value)
                else:
                    names |= self.of(part)
            mentioned = self._known[id(node)] = frozenset(names)
        return mentioned

    def _parts(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """The names below a node, and the definitions among them, which are asked in turn."""
        stack: list[cst.CSTNode] = [node]
        while stack:
            current = stack.pop()
            kind = type(current)
            if kind is cst.Name or (current is not node and kind in _DEFINITIONS):
                yield current
                continue
            stack.extend(children(current))


MENTIONS: Slot[Mentions] = Slot(Mentions)
"""What every piece of code mentions."""

BY_OTHERS: Slot[set[str]] = Slot(set)
"""The names of functions that some other code mentions, once that was asked."""
