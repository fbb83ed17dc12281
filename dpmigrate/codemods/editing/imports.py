"""Imports of a module: how it spells a library name, what a fix must add, what it leaves unused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

import libcst as cst
from libcst.helpers import get_full_name_for_node

from dpmigrate.analysis.source.tree import children
from dpmigrate.codemods.editing.edits import Edits
from dpmigrate.codemods.editing.listed import without

_REMOVED = (
    "opacus.utils.fast_gradient_clipping_utils.double_backward",
    "opacus.utils.module_modification",
    "opacus.dp_model_inspector",
)


def import_statements(tree: cst.Module) -> Iterator[cst.Import | cst.ImportFrom]:
    """The import statements at the top level of a module, those in ``try`` and ``if`` included."""
    stack: list[cst.CSTNode] = list(reversed(tree.body))
    while stack:
        node = stack.pop()
        if isinstance(node, (cst.Import, cst.ImportFrom)):
            yield node
        elif not isinstance(node, (cst.FunctionDef, cst.ClassDef, cst.BaseExpression)):
            stack.extend(reversed(children(node)))


def bindings(tree: cst.Module, lasting: bool = False) -> dict[str, str]:
    """The dotted name behind every name that an absolute top-level import binds.

    With ``lasting`` without imports of modules that are gone, which are taken out.
    """
    dotted_by_bound: dict[str, str] = {}
    for statement in import_statements(tree):
        if isinstance(statement, cst.Import):
            for alias in statement.names:
                dotted = get_full_name_for_node(alias.name) or ""
                if lasting and dotted.startswith(_REMOVED):
                    continue
                if alias.asname is not None:
                    dotted_by_bound[alias.evaluated_alias or ""] = dotted
                else:
                    dotted_by_bound[dotted.partition(".")[0]] = dotted.partition(".")[0]
                    if "." in dotted:
                        dotted_by_bound[dotted] = dotted
        elif (
            not statement.relative
            and statement.module is not None
            and not isinstance(statement.names, cst.ImportStar)
        ):
            package = get_full_name_for_node(statement.module) or ""
            for alias in statement.names:
                dotted_by_bound[alias.evaluated_alias or alias.evaluated_name] = (
                    f"{package}.{alias.evaluated_name}"
                )
    return dotted_by_bound


def spelling(tree: cst.Module, package: str, name: str) -> tuple[str, str | None]:
    """How a module writes ``package.name``, and the import that it lacks for that (None: none).

    The module's own style is kept: an alias of the package, the name itself, or a parent package.
    """
    dotted_by_bound = bindings(tree, lasting=True)
    for bound, dotted in dotted_by_bound.items():
        if dotted == package and "." not in bound:
            return f"{bound}.{name}", None
    for bound, dotted in dotted_by_bound.items():
        if dotted == f"{package}.{name}":
            return bound, None
    for dotted in dotted_by_bound.values():
        home, _, short = dotted.rpartition(".")
        if home == package and short[:1].isupper():
            return name, f"from {package} import {name}"
    parent, _, last = package.rpartition(".")
    for bound, dotted in dotted_by_bound.items():
        if parent and dotted == parent and bound == dotted:
            return f"{package}.{name}", None
    return f"{last}.{name}", f"from {parent} import {last}" if parent else f"import {last}"


def spelled(module_edits: Edits, package: str, name: str) -> str:
    """How the module that is edited writes ``package.name``, which it imports where it did not."""
    text, needed = spelling(module_edits.module.tree, package, name)
    if needed is not None:
        module_edits.need_import(needed)
    return text


def add_imports(tree: cst.Module, statements: list[str]) -> cst.Module:
    """The module with import statements added: a name joins an import of its package, else a new line."""
    for code in statements:
        new = cst.parse_statement(code, config=tree.config_for_parsing)
        assert isinstance(new, cst.SimpleStatementLine)
        inner = new.body[0]
        if isinstance(inner, cst.Import) and inner.names[0].evaluated_name in _imported_whole(tree):
            continue
        joined = _join(tree, inner) if isinstance(inner, cst.ImportFrom) else None
        tree = joined if joined is not None else _insert(tree, new)
    return tree


def _imported_whole(tree: cst.Module) -> set[str]:
    """The modules that ``import a.b`` names."""
    statements = [s for s in import_statements(tree) if isinstance(s, cst.Import)]
    return {alias.evaluated_name for s in statements for alias in s.names if alias.asname is None}


def _join(tree: cst.Module, new: cst.ImportFrom) -> cst.Module | None:
    assert new.module is not None and not isinstance(new.names, cst.ImportStar)
    package = get_full_name_for_node(new.module)
    for place, line in enumerate(tree.body):
        if not isinstance(line, cst.SimpleStatementLine):
            continue
        for part, statement in enumerate(line.body):
            if (
                isinstance(statement, cst.ImportFrom)
                and not statement.relative
                and statement.module is not None
                and get_full_name_for_node(statement.module) == package
                and not isinstance(statement.names, cst.ImportStar)
            ):
                names = list(statement.names)
                comma = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
                if len(names) > 1 and isinstance(names[0].comma, cst.Comma):
                    comma = names[0].comma
                last = names[-1]
                names[-1] = last.with_changes(comma=comma)
                names.append(new.names[0].with_changes(comma=last.comma))
                parts, lines = list(line.body), list(tree.body)
                parts[part] = statement.with_changes(names=names)
                lines[place] = line.with_changes(body=parts)
                return tree.with_changes(body=lines)
    return None


def _insert(tree: cst.Module, new: cst.SimpleStatementLine) -> cst.Module:
    """A line of its own, after the imports of the same package where there are any.

    Only the first run of imports counts: later ones may follow code that they depend on.
    """
    body = list(tree.body)
    first = next((i for i, line in enumerate(body) if is_import(line)), None)
    if first is None:
        place = 1 if body and tree.get_docstring() is not None else 0
    else:
        place = first + 1
        while place < len(body) and is_import(body[place]):
            place += 1
        same = [i for i in range(first, place) if _package(body[i]) == _package(new)]
        place = same[-1] + 1 if same else place
    body.insert(place, new)
    return tree.with_changes(body=body)


def _package(line: cst.CSTNode) -> str:
    """The top-level package that an import statement imports from; empty for a relative one."""
    assert isinstance(line, cst.SimpleStatementLine)
    statement = line.body[0]
    if isinstance(statement, cst.Import):
        return (get_full_name_for_node(statement.names[0].name) or "").partition(".")[0]
    if isinstance(statement, cst.ImportFrom) and not statement.relative and statement.module is not None:
        return (get_full_name_for_node(statement.module) or "").partition(".")[0]
    return ""


def is_import(line: cst.CSTNode) -> bool:
    """Whether a statement is an import."""
    return isinstance(line, cst.SimpleStatementLine) and isinstance(
        line.body[0], (cst.Import, cst.ImportFrom)
    )


def used_names(tree: cst.Module) -> set[str]:
    """Every name that a module reads, strings such as ``__all__`` and annotations included."""
    names: set[str] = set()
    stack: list[cst.CSTNode] = [tree]
    while stack:
        node = stack.pop()
        if type(node) in _NOT_READ:
            continue
        if type(node) in _OF_A_VALUE:
            stack.append(node.value)  # type: ignore[attr-defined]
        elif isinstance(node, cst.Name):
            names.add(node.value)
        elif isinstance(node, cst.SimpleString):
            text = node.raw_value
            if len(text) < 200:
                names.update(part for part in _words(text) if part.isidentifier())
        else:
            stack.extend(children(node))
    return names


# Types are compared, as asking abstract base classes of every node would be most of the time.
_NOT_READ = frozenset([cst.Import, cst.ImportFrom])
_OF_A_VALUE = frozenset([cst.Attribute, cst.Arg])
"""What reads no name but those in its value."""


def _words(text: str) -> list[str]:
    return "".join(c if c.isalnum() or c == "_" else " " for c in text).split()


def remove_unused(tree: cst.Module, before: set[str], keep: set[str]) -> cst.Module:
    """The module without imports of names that were read ``before`` and are read no more.

    Also without an unread name that cannot be imported any more (``double_backward``). ``keep`` holds names
    that other modules import from this one.
    """
    now = used_names(tree)
    stale = {bound for bound, dotted in bindings(tree).items() if dotted.startswith(_REMOVED)}
    gone = (before | stale) - now - keep
    if not gone:
        return tree
    remover = _ImportRemover(gone)
    changed = _close_gaps(tree, remover).visit(remover)
    assert isinstance(changed, cst.Module)
    return changed


def _close_gaps(tree: cst.Module, remover: _ImportRemover) -> cst.Module:
    """The module in which no blank line stays behind where a whole group of imports will go."""
    body = list(tree.body)
    for index in range(len(body) - 1):
        line, following = body[index], body[index + 1]
        if not isinstance(line, cst.SimpleStatementLine) or not remover.empties(line):
            continue
        opens = index == 0 or (line.leading_lines and line.leading_lines[0].comment is None)
        lines_above = list(getattr(following, "leading_lines", ()))
        if opens and lines_above and lines_above[0].comment is None:
            while lines_above and lines_above[0].comment is None:
                lines_above.pop(0)
            blank = [above for above in line.leading_lines if above.comment is None]
            body[index + 1] = following.with_changes(leading_lines=[*blank, *lines_above])
    return tree.with_changes(body=body)


AnyImport = TypeVar("AnyImport", cst.Import, cst.ImportFrom)


class _ImportRemover(cst.CSTTransformer):
    def __init__(self, gone: set[str]) -> None:
        super().__init__()
        self.gone = gone

    def on_visit(self, node: cst.CSTNode) -> bool:
        """Whether imports can stand in a node."""
        return not isinstance(node, (cst.BaseExpression, cst.BaseSmallStatement))

    def leave_Import(
        self, original_node: cst.Import, updated_node: cst.Import
    ) -> cst.Import | cst.RemovalSentinel:
        return self._without_gone(updated_node, updated_node.names)

    def leave_ImportFrom(
        self, original_node: cst.ImportFrom, updated_node: cst.ImportFrom
    ) -> cst.ImportFrom | cst.RemovalSentinel:
        if (
            isinstance(updated_node.names, cst.ImportStar)
            or get_full_name_for_node(updated_node.module or cst.Name("_")) == "__future__"
        ):
            return updated_node
        return self._without_gone(updated_node, updated_node.names)

    def empties(self, line: cst.SimpleStatementLine) -> bool:
        """Whether nothing stays of a line of imports."""
        return all(
            isinstance(s, (cst.Import, cst.ImportFrom))
            and not isinstance(s.names, cst.ImportStar)
            and all(self._goes(a) for a in s.names)
            for s in line.body
        )

    def _goes(self, alias: cst.ImportAlias) -> bool:
        bound = alias.evaluated_alias or alias.evaluated_name
        return bound in self.gone

    def _without_gone(
        self, node: AnyImport, names: Sequence[cst.ImportAlias]
    ) -> AnyImport | cst.RemovalSentinel:
        kept = [a for a in names if not self._goes(a)]
        if len(kept) == len(names):
            return node
        if not kept:
            return cst.RemoveFromParent()
        rest = list(names)
        while len(rest) > len(kept):
            rest = without(rest, next(i for i, alias in enumerate(rest) if self._goes(alias)))
        return node.with_changes(names=rest)
