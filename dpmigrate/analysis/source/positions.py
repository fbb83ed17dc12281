"""Where each node of a module stands: the ranges of LibCST's ``PositionProvider``, in a third of its time.

The provider turns every token into a line and a column and visits the tree once more for
nothing. Here rendering only counts characters; lines are looked up for the few nodes that are
reported. A test holds both to the same answers.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Any, NamedTuple

import libcst as cst

# The state that LibCST renders with is not exported, but it is what its own providers build on.
from libcst._nodes.internal import CodegenState

_NEWLINE = re.compile(r"\r\n?|\n")
_SHIFT = 30
_LAST = (1 << _SHIFT) - 1
_BLANK = frozenset(
    [
        cst.SimpleWhitespace,
        cst.ParenthesizedWhitespace,
        cst.TrailingWhitespace,
        cst.EmptyLine,
        cst.Newline,
        cst.Comment,
    ]
)


class Range(NamedTuple):
    """First and last line (1-based) and column (0-based; the end is exclusive) of a node."""

    line: int
    column: int
    end_line: int
    end_column: int


class Positions:
    """The ranges of a module's nodes, whitespace and comments excepted."""

    def __init__(self, module: cst.Module) -> None:
        state = _Counting(module.default_indent, module.default_newline)
        state.offset, state.starts, state.ranges = 0, [], {}
        module._codegen(state)
        self.text = "".join(state.tokens)
        """The module as it is rendered."""
        self._ranges = state.ranges
        self._lines = [0, *(m.end() for m in _NEWLINE.finditer(self.text))]

    def __getitem__(self, node: cst.CSTNode) -> Range:
        """The range of a node. Raises KeyError for a node of another tree."""
        packed = self._ranges[id(node)]
        start, end = packed >> _SHIFT, packed & _LAST
        return Range(*self._place(start), *self._place(end))

    def _place(self, offset: int) -> tuple[int, int]:
        line = bisect_right(self._lines, offset)
        return line, offset - self._lines[line - 1]


class _Counting(CodegenState):
    """Renders a module and notes at which characters each node begins and ends."""

    offset: int
    starts: list[int]
    ranges: dict[int, int]
    """By node, both in one number: a pair takes three times the memory."""

    def add_token(self, value: str) -> None:
        self.tokens.append(value)
        self.offset += len(value)

    def add_indent_tokens(self) -> None:
        self.tokens.extend(self.indent_tokens)
        self.offset += sum(map(len, self.indent_tokens))

    def before_codegen(self, node: cst.CSTNode) -> None:
        self.starts.append(self.offset)

    def after_codegen(self, node: cst.CSTNode) -> None:
        start = self.starts.pop()
        if type(node) not in _BLANK:
            self.ranges.setdefault(id(node), start << _SHIFT | self.offset)

    def record_syntactic_position(self, node: cst.CSTNode, **hoisted: cst.CSTNode | None) -> Any:
        return _Syntactic(self, node, **hoisted)


class _Syntactic:
    """Notes a node's range without the whitespace that it owns."""

    __slots__ = ("end_node", "node", "start", "start_node", "state")

    def __init__(
        self,
        state: _Counting,
        node: cst.CSTNode,
        start_node: cst.CSTNode | None = None,
        end_node: cst.CSTNode | None = None,
    ) -> None:
        self.state, self.node, self.start_node, self.end_node = state, node, start_node, end_node

    def __enter__(self) -> None:
        self.start = self.state.offset

    def __exit__(self, error: object, *_: object) -> None:
        if error is not None:  # as where somebody interrupts: the nodes in it have no range yet
            return
        ranges = self.state.ranges
        start = self.start if self.start_node is None else ranges[id(self.start_node)] >> _SHIFT
        end = self.state.offset if self.end_node is None else ranges[id(self.end_node)] & _LAST
        ranges[id(self.node)] = start << _SHIFT | end
