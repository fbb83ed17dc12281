"""Variations of imports: every way to get at a name of a library."""

from __future__ import annotations

from collections.abc import Callable, Collection

import libcst as cst
import libcst.matchers as m
from libcst.helpers import get_full_name_for_node

from tests.fix.variations.layout import Variation, broken
from tests.fix.variations.structure import with_line

Spelled = Callable[[str, str], tuple[str, str]]
"""From a module and a name in it to the import statement and how the name is written then."""


def taken(module: cst.Module) -> set[str]:
    """Names that something else than an import binds somewhere: they may mean another thing."""
    names = {p.name.value for p in m.findall(module, m.Param()) if isinstance(p, cst.Param)}
    for target in m.findall(module, m.AssignTarget() | m.For() | m.NamedExpr()):
        inside = target if isinstance(target, cst.AssignTarget) else getattr(target, "target", target)
        names |= {n.value for n in m.findall(inside, m.Name()) if isinstance(n, cst.Name)}
    return names


class _Imports(cst.CSTTransformer):
    """Writes the imports of names of libraries in another way."""

    def __init__(self, spelled: Spelled, libraries: Collection[str], avoided: set[str]) -> None:
        super().__init__()
        self.spelled = spelled
        self.libraries = libraries
        self.avoided = avoided
        self.written: dict[str, str] = {}
        self.depth = 0

    def visit_FunctionDef(self, node: cst.FunctionDef) -> None:
        self.depth += 1

    def leave_FunctionDef(
        self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef
    ) -> cst.FunctionDef:
        self.depth -= 1
        return updated_node

    def leave_SimpleStatementLine(
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.SimpleStatementLine | cst.FlattenSentinel[cst.SimpleStatementLine]:
        statement = updated_node.body[0]
        if self.depth or len(updated_node.body) > 1 or not isinstance(statement, cst.ImportFrom):
            return updated_node
        package = get_full_name_for_node(statement.module) if statement.module else None
        if statement.relative or package is None or isinstance(statement.names, cst.ImportStar):
            return updated_node
        if package.partition(".")[0] not in self.libraries:
            return updated_node
        lines = []
        for alias in statement.names:
            name = alias.evaluated_name
            bound = alias.evaluated_alias or name
            if bound in self.avoided:
                lines.append(f"from {package} import {name}" + (f" as {bound}" if bound != name else ""))
                continue
            line, written = self.spelled(package, name)
            lines.append(line)
            self.written[bound] = written
        statements = [cst.parse_statement(line) for line in dict.fromkeys(lines)]
        statements[0] = statements[0].with_changes(leading_lines=updated_node.leading_lines)
        return cst.FlattenSentinel([s for s in statements if isinstance(s, cst.SimpleStatementLine)])


class _Renamed(cst.CSTTransformer):
    def __init__(self, written: dict[str, str]) -> None:
        super().__init__()
        self.written = written

    def visit_ImportAlias(self, node: cst.ImportAlias) -> bool:
        return False

    def visit_ImportFrom(self, node: cst.ImportFrom) -> bool:
        return False

    def visit_Attribute_attr(self, node: cst.Attribute) -> None:
        self.member = node.attr

    def leave_Attribute(
        self, original_node: cst.Attribute, updated_node: cst.Attribute
    ) -> cst.BaseExpression:
        return updated_node.with_changes(attr=original_node.attr)

    def leave_Arg(self, original_node: cst.Arg, updated_node: cst.Arg) -> cst.Arg:
        return updated_node.with_changes(keyword=original_node.keyword)

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.BaseExpression:
        text = self.written.get(updated_node.value)
        return cst.parse_expression(text) if text is not None else updated_node


def written_as(spelled: Spelled, *libraries: str) -> Variation:
    """The variation that writes all imports of names of some libraries in one way."""

    def change(module: cst.Module) -> cst.Module:
        imports = _Imports(spelled, libraries, taken(module))
        changed = module.visit(imports)
        return changed.visit(_Renamed(imports.written))

    return change


def _last(dotted: str) -> str:
    return dotted.rpartition(".")[2]


def _of_parent(package: str, name: str) -> tuple[str, str]:
    parent, _, last = package.rpartition(".")
    line = f"from {parent} import {last}" if parent else f"import {package}"
    return line, f"{last}.{name}"


class _Broken(cst.CSTTransformer):
    def leave_ImportFrom(self, original_node: cst.ImportFrom, updated_node: cst.ImportFrom) -> cst.ImportFrom:
        if isinstance(updated_node.names, cst.ImportStar) or updated_node.lpar is not None:
            return updated_node
        names = [
            alias.with_changes(comma=cst.Comma(whitespace_after=broken(f"# {alias.evaluated_name}")))
            for alias in updated_node.names
        ]
        opened = cst.LeftParen(whitespace_after=broken(""))
        return updated_node.with_changes(names=names, lpar=opened, rpar=cst.RightParen())


def broken_imports(module: cst.Module) -> cst.Module:
    return module.visit(_Broken())


class _Tried(cst.CSTTransformer):
    """Every import of Opacus stands in a ``try``."""

    def leave_Module(self, original_node: cst.Module, updated_node: cst.Module) -> cst.Module:
        lines = [s for s in updated_node.body if _imports_opacus(s)]
        if not lines:
            return updated_node
        tried = cst.parse_statement("try:\n    pass\nexcept ImportError:\n    raise SystemExit\n")
        assert isinstance(tried, cst.Try)
        tried = tried.with_changes(body=cst.IndentedBlock(lines))
        place = updated_node.body.index(lines[0])
        rest = [s for s in updated_node.body if s not in lines]
        return updated_node.with_changes(body=[*rest[:place], tried, *rest[place:]])


def _imports_opacus(statement: cst.BaseStatement) -> bool:
    if not isinstance(statement, cst.SimpleStatementLine):
        return False
    inner = statement.body[0]
    if isinstance(inner, cst.ImportFrom) and inner.module is not None:
        return (get_full_name_for_node(inner.module) or "").partition(".")[0] == "opacus"
    return False


def tried_imports(module: cst.Module) -> cst.Module:
    return module.visit(_Tried())


class _Inside(cst.CSTTransformer):
    """Functions import what they use of Opacus by themselves."""

    def __init__(self, lines: list[cst.SimpleStatementLine]) -> None:
        super().__init__()
        self.lines = lines
        self.depth = 0

    def visit_ClassDef(self, node: cst.ClassDef) -> None:
        self.depth += 1

    def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> cst.ClassDef:
        self.depth -= 1
        return updated_node

    def visit_FunctionDef(self, node: cst.FunctionDef) -> None:
        self.depth += 1

    def leave_FunctionDef(
        self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef
    ) -> cst.FunctionDef:
        self.depth -= 1
        block = updated_node.body
        if self.depth or not isinstance(block, cst.IndentedBlock):
            return updated_node
        read = {n.value for n in m.findall(block, m.Name()) if isinstance(n, cst.Name)}
        own = [line.deep_clone() for line in self.lines if bound_by(line) & read]
        docs = 1 if updated_node.get_docstring() is not None else 0
        return updated_node.with_changes(
            body=block.with_changes(body=[*block.body[:docs], *own, *block.body[docs:]])
        )


def bound_by(line: cst.SimpleStatementLine) -> set[str]:
    """The names that an import binds."""
    statement = line.body[0]
    assert isinstance(statement, cst.ImportFrom) and not isinstance(statement.names, cst.ImportStar)
    return {alias.evaluated_alias or alias.evaluated_name for alias in statement.names}


def imports_in_functions(module: cst.Module) -> cst.Module:
    lines = [s for s in module.body if _imports_opacus(s) and isinstance(s, cst.SimpleStatementLine)]
    elsewhere: set[str] = set()
    for statement in module.body:
        # A function's head is evaluated where the function is defined.
        inside = statement.body if isinstance(statement, cst.FunctionDef) else None
        head = statement if inside is None else statement.with_deep_changes(inside, body=())
        if statement not in lines:
            elsewhere |= {n.value for n in m.findall(head, m.Name()) if isinstance(n, cst.Name)}
    moved = [line for line in lines if not bound_by(line) & elsewhere]
    if not moved:
        return module
    rest = module.with_changes(body=[s for s in module.body if s not in moved])
    return rest.visit(_Inside([line.with_changes(leading_lines=[]) for line in moved]))


def future_import(module: cst.Module) -> cst.Module:
    return with_line(module, "from __future__ import annotations\n")


IMPORT_FORMS: dict[str, Variation] = {
    "aliased": written_as(lambda p, n: (f"from {p} import {n} as _{n}", f"_{n}"), "opacus", "torch"),
    "whole_modules": written_as(lambda p, n: (f"import {p}", f"{p}.{n}"), "opacus"),
    "modules_aliased": written_as(
        lambda p, n: (f"import {p} as the_{_last(p)}", f"the_{_last(p)}.{n}"), "opacus", "torch"
    ),
    "of_the_parent": written_as(_of_parent, "opacus"),
    "own_modules": written_as(
        lambda p, n: (f"import {p}", f"{p}.{n}"), "data", "modeling", "task", "privacy"
    ),
    "broken_imports": broken_imports,
    "tried_imports": tried_imports,
    "imports_in_functions": imports_in_functions,
    "future_import": future_import,
}
