"""Collected changes to the trees of a project, applied to each module in one pass.

A change is bound to a node by identity, never by pattern, and gets the node as it is after the
changes inside it, so that recipes compose whatever their order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import libcst as cst

if TYPE_CHECKING:
    from dpmigrate.analysis.source.modules import ModuleInfo

NodeChange = Callable[[Any], cst.CSTNode | cst.FlattenSentinel[Any]]
"""From a node as the changes below it left it, of the kind that it had, to what takes its place."""


class Withheld(Exception):  # noqa: N818 - the name says what happened
    """A fix that must not be made; the text says why and what to change by hand."""

    def __init__(
        self, reason: str, module: ModuleInfo | None = None, node: cst.CSTNode | None = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.module = module
        self.node = node


@dataclass(slots=True)
class Edits:
    """The changes of one module."""

    module: ModuleInfo
    changes: dict[cst.CSTNode, list[NodeChange]] = field(default_factory=dict)
    before: dict[cst.CSTNode, list[str]] = field(default_factory=dict)
    """Statements, as text, to insert before a statement."""
    after: dict[cst.CSTNode, list[str]] = field(default_factory=dict)
    removed: dict[cst.CSTNode, None] = field(default_factory=dict)
    """Statements (lines, or parts of a line between semicolons) that go."""
    moved: dict[cst.CSTNode, list[cst.CSTNode]] = field(default_factory=dict)
    """Statements that move in front of another one."""
    imports: list[str] = field(default_factory=list)
    """Import statements that the module needs."""
    stale: dict[str, None] = field(default_factory=dict)
    """Names that the module imports and reads nowhere, which cannot be imported any more."""

    def change(self, node: cst.CSTNode, change: NodeChange) -> None:
        """Rewrite a node."""
        self.changes.setdefault(node, []).append(change)

    def replace(self, node: cst.CSTNode, code: str) -> None:
        """Put another expression in a node's place, in parentheses of its own where it has any."""
        new = cst.parse_expression(code)
        self.change(node, lambda _: new.deep_clone())

    def insert_before(self, statement: cst.CSTNode, code: str) -> None:
        """Insert statements before a statement, once."""
        lines = self.before.setdefault(statement, [])
        if code not in lines:
            lines.append(code)

    def insert_after(self, statement: cst.CSTNode, code: str) -> None:
        """Insert statements after a statement, once."""
        lines = self.after.setdefault(statement, [])
        if code not in lines:
            lines.append(code)

    def remove(self, statement: cst.CSTNode) -> None:
        """Take a statement out."""
        self.removed[statement] = None

    def move_before(self, anchor: cst.CSTNode, statement: cst.CSTNode) -> None:
        """Move a statement in front of an earlier one of the same block."""
        self.moved.setdefault(anchor, []).append(statement)

    def need_import(self, code: str) -> None:
        """Add an import statement unless the module has it."""
        if code not in self.imports:
            self.imports.append(code)

    def extend(self, other: Edits) -> None:
        """Take over what another recipe of the same fix changes, after what is here."""
        for node, changes in other.changes.items():
            self.changes.setdefault(node, []).extend(changes)
        self._take_over_statements(other)

    def merge(self, other: Edits) -> None:
        """Take over the changes of another fix to the same module; what both do is done once."""
        for node, changes in other.changes.items():
            mine_here = self.changes.setdefault(node, [])
            made = {_code(change(node)) for change in mine_here}
            mine_here.extend(change for change in changes if not made or _code(change(node)) not in made)
        self._take_over_statements(other)

    def _take_over_statements(self, other: Edits) -> None:
        """All of another's but the changes of nodes."""
        for mine, theirs in ((self.before, other.before), (self.after, other.after)):
            for node, lines in theirs.items():
                inserted = mine.setdefault(node, [])
                inserted.extend(line for line in lines if line not in inserted)
        self.removed.update(other.removed)
        for anchor, statements in other.moved.items():
            self.moved.setdefault(anchor, []).extend(statements)
        for code in other.imports:
            self.need_import(code)
        self.stale.update(other.stale)

    def __bool__(self) -> bool:
        inserted = self.before or self.after or self.imports
        return bool(self.changes or inserted or self.removed or self.moved or self.stale)


class ProjectEdits:
    """The changes of all modules of a project that one fix makes, or one recipe of it returns."""

    def __init__(self, *parts: ProjectEdits) -> None:
        self.modules: dict[str, Edits] = {}
        for part in parts:
            self.extend(part)

    def of(self, module: ModuleInfo) -> Edits:
        """The changes of one module."""
        return self.modules.setdefault(module.key, Edits(module))

    def extend(self, other: ProjectEdits) -> None:
        """Take over what another recipe of the same fix returns, after what is here."""
        for theirs in other.modules.values():
            self.of(theirs.module).extend(theirs)

    def merge(self, other: ProjectEdits) -> None:
        """Take over the changes of another fix."""
        for theirs in other.modules.values():
            self.of(theirs.module).merge(theirs)

    def touched(self) -> list[Edits]:
        """The modules that change, in order of their keys."""
        return [e for _, e in sorted(self.modules.items()) if e]


def _code(changed: cst.CSTNode | cst.FlattenSentinel[Any]) -> str:
    """What a change makes of its node alone, as text: two changes that make the same are one."""
    nodes = changed if isinstance(changed, cst.FlattenSentinel) else [changed]
    return "".join(cst.Module([]).code_for_node(node) for node in nodes)


def rewritten_tree(edits: Edits) -> cst.Module:
    """The module's tree with the changes made. The tree of the analysis stays as it is."""
    changed = edits.module.tree.visit(_Rewriter(edits))
    assert isinstance(changed, cst.Module)
    return changed


class _Rewriter(cst.CSTTransformer):
    def __init__(self, edits: Edits) -> None:
        super().__init__()
        self.edits = edits
        self.tree = edits.module.tree
        self.groups: dict[cst.CSTNode, list[cst.CSTNode]] = {}
        """What became of each statement, where statements move."""
        self.emptied: set[cst.CSTNode] = set()
        """The blocks of which nothing is left."""
        self.leaving = {statement for moved in edits.moved.values() for statement in moved}
        self.ways = _ways_to(edits)

    def on_visit(self, node: cst.CSTNode) -> bool:
        """Whether something below a node changes."""
        return self.ways is None or id(node) in self.ways

    def on_leave(  # type: ignore[override]
        self, original_node: cst.CSTNode, updated_node: cst.CSTNode
    ) -> cst.CSTNode | cst.RemovalSentinel | cst.FlattenSentinel[cst.CSTNode]:
        left = self._left(original_node, updated_node)
        if self.leaving and isinstance(original_node, (cst.SimpleStatementLine, cst.BaseCompoundStatement)):
            self.groups[original_node] = _as_nodes(left)
        return left

    def _left(
        self, original_node: cst.CSTNode, updated_node: cst.CSTNode
    ) -> cst.CSTNode | cst.RemovalSentinel | cst.FlattenSentinel[cst.CSTNode]:
        edits = self.edits
        for change in edits.changes.get(original_node, ()):
            changed = change(updated_node)
            if isinstance(changed, cst.FlattenSentinel):
                return changed
            updated_node = changed
        above, below = edits.before.get(original_node), edits.after.get(original_node)
        if original_node in edits.removed and not (above or below):
            return cst.RemoveFromParent()
        if isinstance(updated_node, cst.SimpleStatementLine) and not updated_node.body:
            return cst.RemoveFromParent()
        if isinstance(updated_node, (cst.IndentedBlock, cst.SimpleStatementSuite)) and not updated_node.body:
            self.emptied.add(original_node)
            is_block = isinstance(updated_node, cst.IndentedBlock)
            return updated_node.with_changes(body=[self.statement("pass") if is_block else cst.Pass()])
        if isinstance(updated_node, (cst.SimpleStatementLine, cst.SimpleStatementSuite)):
            updated_node = _without_last_semicolon(original_node, updated_node)
        if isinstance(original_node, cst.Try) and self._is_empty(original_node):
            return cst.RemoveFromParent()
        if isinstance(original_node, (cst.IndentedBlock, cst.Module)) and self.leaving:
            updated_node = self._move(original_node, updated_node)
        if not above and not below:
            return updated_node
        new = [self.statement(code) for code in above or ()]
        if new and isinstance(updated_node, cst.SimpleStatementLine | cst.BaseCompoundStatement):
            lines, updated_node = _take_leading_blank(updated_node)
            new[0] = new[0].with_changes(leading_lines=[*lines, *new[0].leading_lines])
        kept = [] if original_node in edits.removed else [updated_node]
        return cst.FlattenSentinel([*new, *kept, *(self.statement(code) for code in below or ())])

    def _is_empty(self, node: cst.Try) -> bool:
        """Whether nothing is left of a ``try`` and its ``finally``."""
        final = node.finalbody
        return not node.handlers and final is not None and {node.body, final.body} <= self.emptied

    def _move(self, original: cst.IndentedBlock | cst.Module, updated: cst.CSTNode) -> cst.CSTNode:
        """Reorder a block's statements; only blocks without insertions or removals before them."""
        before: list[cst.CSTNode] = list(original.body)
        if not any(s in self.leaving for s in before):
            return updated
        order = list(before)
        for anchor, statements in self.edits.moved.items():
            if anchor not in before:
                continue
            for statement in statements:
                order.remove(statement)
                order.insert(order.index(anchor), statement)
        groups = self.groups
        return updated.with_changes(body=[new for old in order for new in groups.get(old, ())])

    def statement(self, code: str) -> cst.SimpleStatementLine | cst.BaseCompoundStatement:
        """A statement in the module's own layout."""
        return cst.parse_statement(code, config=self.tree.config_for_parsing)


def _ways_to(edits: Edits) -> set[int] | None:
    """The nodes, by identity, that have what changes in or below them; None where some of it is layout."""
    nesting = edits.module.nesting
    moved = [statement for statements in edits.moved.values() for statement in statements]
    nodes = [*edits.changes, *edits.before, *edits.after, *edits.removed, *edits.moved, *moved]
    if not all(node in nesting for node in nodes):
        return None
    on_the_way = set(map(id, nodes))
    for node in nodes:
        for around in nesting.above(node):
            if id(around) in on_the_way:
                break
            on_the_way.add(id(around))
    return on_the_way


def _take_leading_blank(
    node: cst.SimpleStatementLine | cst.BaseCompoundStatement,
) -> tuple[Sequence[cst.EmptyLine], cst.SimpleStatementLine | cst.BaseCompoundStatement]:
    """Blank lines above a statement go above what is inserted before it; comments stay with it."""
    lines = list(node.leading_lines)
    taken = []
    while lines and lines[0].comment is None:
        taken.append(lines.pop(0))
    return taken, node.with_changes(leading_lines=lines)


def _as_nodes(
    left: cst.CSTNode | cst.RemovalSentinel | cst.FlattenSentinel[cst.CSTNode],
) -> list[cst.CSTNode]:
    if isinstance(left, cst.FlattenSentinel):
        return list(left)
    return [] if isinstance(left, cst.RemovalSentinel) else [left]


def _without_last_semicolon(
    old: cst.CSTNode, new: cst.SimpleStatementLine | cst.SimpleStatementSuite
) -> cst.SimpleStatementLine | cst.SimpleStatementSuite:
    """A line whose last part went ends without the semicolon that stood before it."""
    assert isinstance(old, (cst.SimpleStatementLine, cst.SimpleStatementSuite))
    last, had = new.body[-1], old.body[-1].semicolon
    if last.semicolon == had or len(new.body) == len(old.body):
        return new
    return new.with_changes(body=[*new.body[:-1], last.with_changes(semicolon=had)])
