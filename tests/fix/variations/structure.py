"""Variations of statements: other ways to write the same thing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import libcst as cst
import libcst.matchers as m

from tests.fix.variations.layout import Variation

Statement = cst.SimpleStatementLine | cst.BaseCompoundStatement


def names_in(node: cst.CSTNode, kind: object) -> set[str]:
    """The names of all nodes of a kind."""
    return {n.value for found in m.findall(node, kind) for n in m.findall(found, m.Name())}  # type: ignore[arg-type]


class OfAssignments(cst.CSTTransformer):
    """Changes every line that is one plain assignment to one name, outside of classes.

    Names that a function declares global or nonlocal are left alone: they cannot be annotated.
    """

    def __init__(self, change: Callable[[str, cst.BaseExpression], Sequence[str] | cst.BaseSmallStatement]):
        super().__init__()
        self.change = change
        self.declared: set[str] = set()
        self.in_class = 0

    def visit_Module(self, node: cst.Module) -> None:
        for found in m.findall(node, m.Global() | m.Nonlocal()):
            assert isinstance(found, (cst.Global, cst.Nonlocal))
            self.declared |= {item.name.value for item in found.names}

    def visit_ClassDef(self, node: cst.ClassDef) -> None:
        self.in_class += 1

    def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> cst.ClassDef:
        self.in_class -= 1
        return updated_node

    def leave_Assign(self, original_node: cst.Assign, updated_node: cst.Assign) -> cst.BaseSmallStatement:
        target = updated_node.targets[0].target
        if len(updated_node.targets) > 1 or not isinstance(target, cst.Name) or self.in_class:
            return updated_node
        if target.value in self.declared:
            return updated_node
        changed = self.change(target.value, updated_node.value)
        assert isinstance(changed, cst.BaseSmallStatement)
        return changed


def annotated_variables(module: cst.Module) -> cst.Module:
    def change(name: str, value: cst.BaseExpression) -> cst.BaseSmallStatement:
        return cst.AnnAssign(cst.Name(name), cst.Annotation(cst.Name("object")), value)

    return module.visit(OfAssignments(change))


def walrus(module: cst.Module) -> cst.Module:
    def change(name: str, value: cst.BaseExpression) -> cst.BaseSmallStatement:
        opened, closed = [cst.LeftParen()], [cst.RightParen()]
        return cst.Expr(cst.NamedExpr(cst.Name(name), value, lpar=opened, rpar=closed))

    return module.visit(OfAssignments(change))


def chained_targets(module: cst.Module) -> cst.Module:
    def change(name: str, value: cst.BaseExpression) -> cst.BaseSmallStatement:
        targets = [cst.AssignTarget(cst.Name(n)) for n in (name, f"{name}_too")]
        return cst.Assign(targets, value)

    return module.visit(OfAssignments(change))


class _AnnotatedParameters(cst.CSTTransformer):
    def visit_Lambda(self, node: cst.Lambda) -> bool:
        return False

    def leave_Param(self, original_node: cst.Param, updated_node: cst.Param) -> cst.Param:
        if updated_node.annotation is not None or updated_node.name.value in ("self", "cls"):
            return updated_node
        return updated_node.with_changes(annotation=cst.Annotation(cst.Name("object")))


def annotated_parameters(module: cst.Module) -> cst.Module:
    return module.visit(_AnnotatedParameters())


class _Results(cst.CSTTransformer):
    """Changes how a result that is unpacked at once is taken."""

    def __init__(self, lines: Callable[[list[str], str], list[str]]) -> None:
        super().__init__()
        self.lines = lines

    def leave_SimpleStatementLine(
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.SimpleStatementLine | cst.FlattenSentinel[cst.SimpleStatementLine]:
        statement = updated_node.body[0]
        empty = cst.Module(body=[])
        if len(updated_node.body) > 1 or not m.matches(
            statement,
            m.Assign(
                targets=[m.AssignTarget(target=m.Tuple())],
                value=m.Call(
                    func=m.Attribute(attr=m.Name("make_private") | m.Name("make_private_with_epsilon"))
                ),
            ),
        ):
            return updated_node
        assert isinstance(statement, cst.Assign) and isinstance(statement.targets[0].target, cst.Tuple)
        targets = [empty.code_for_node(e.value).strip() for e in statement.targets[0].target.elements]
        new = [
            cst.parse_statement(line) for line in self.lines(targets, empty.code_for_node(statement.value))
        ]
        new[0] = new[0].with_changes(leading_lines=updated_node.leading_lines)
        return cst.FlattenSentinel([n for n in new if isinstance(n, cst.SimpleStatementLine)])


def result_in_a_variable(module: cst.Module) -> cst.Module:
    return module.visit(_Results(lambda to, value: [f"private = {value}", f"{', '.join(to)} = private"]))


def starred_targets(module: cst.Module) -> cst.Module:
    def lines(to: list[str], value: str) -> list[str]:
        return [f"{', '.join(to[:-1])}, *others = {value}", f"({to[-1]},) = others"]

    return module.visit(_Results(lines))


def chained_results(module: cst.Module) -> cst.Module:
    return module.visit(_Results(lambda to, value: [f"everything = {', '.join(to)} = {value}"]))


def bound_method(module: cst.Module) -> cst.Module:
    def lines(to: list[str], value: str) -> list[str]:
        method, _, rest = value.partition("(") if not value.startswith("PrivacyEngine(") else ("", "", "")
        if not method:
            return [f"{', '.join(to)} = {value}"]
        return [f"make = {method}", f"{', '.join(to)} = make({rest}"]

    return module.visit(_Results(lines))


class _Bodies(cst.CSTTransformer):
    """Puts the body of every function inside another statement."""

    def __init__(self, around: str) -> None:
        super().__init__()
        self.around = around

    def leave_FunctionDef(
        self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef
    ) -> cst.FunctionDef:
        block = updated_node.body
        if not isinstance(block, cst.IndentedBlock) or m.findall(block, m.Global() | m.Nonlocal()):
            return updated_node
        docs = 1 if updated_node.get_docstring() is not None else 0
        around = cst.parse_statement(self.around)
        assert isinstance(around, (cst.If, cst.Try, cst.With))
        inner = cst.IndentedBlock(block.body[docs:] or block.body)
        return updated_node.with_changes(
            body=block.with_changes(body=[*block.body[:docs], around.with_changes(body=inner)])
        )


def in_an_if(module: cst.Module) -> cst.Module:
    return module.visit(_Bodies("if True:\n    pass\n"))


def in_a_try(module: cst.Module) -> cst.Module:
    return module.visit(_Bodies("try:\n    pass\nfinally:\n    pass\n"))


def in_a_with(module: cst.Module) -> cst.Module:
    new = module.visit(_Bodies("with nullcontext():\n    pass\n"))
    return with_line(new, "from contextlib import nullcontext\n")


def with_line(module: cst.Module, line: str) -> cst.Module:
    """The module with an import in front, behind its docstring and ``__future__``."""
    body = list(module.body)
    place = 0
    while place < len(body) and (
        (place == 0 and module.get_docstring() is not None)
        or m.matches(body[place], m.SimpleStatementLine(body=[m.ImportFrom(module=m.Name("__future__"))]))
    ):
        place += 1
    statement = cst.parse_statement(line, config=module.config_for_parsing)
    assert isinstance(statement, cst.SimpleStatementLine)
    return module.with_changes(body=[*body[:place], statement, *body[place:]])


class _MainIsAMethod(cst.CSTTransformer):
    def __init__(self) -> None:
        super().__init__()
        self.depth = 0

    def visit_FunctionDef(self, node: cst.FunctionDef) -> None:
        self.depth += 1

    def leave_FunctionDef(self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef) -> Statement:
        self.depth -= 1
        plain = not updated_node.params.params and not updated_node.decorators
        if self.depth or updated_node.name.value != "main" or not plain:
            return updated_node
        this = cst.Parameters(params=[cst.Param(cst.Name("self"))])
        method = updated_node.with_changes(params=this, leading_lines=[])
        return cst.ClassDef(
            cst.Name("Program"), cst.IndentedBlock([method]), leading_lines=updated_node.leading_lines
        )

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.BaseExpression:
        if m.matches(updated_node, m.Call(func=m.Name("main"), args=[])):
            return cst.parse_expression("Program().main()")
        return updated_node


def main_is_a_method(module: cst.Module) -> cst.Module:
    plain = m.FunctionDef(name=m.Name("main"), params=m.Parameters(params=[]), decorators=[])
    return module.visit(_MainIsAMethod()) if any(m.matches(s, plain) for s in module.body) else module


class _ConditionalLoop(cst.CSTTransformer):
    """``for x in xs: ...`` with what it reads in a variable."""

    def leave_For(
        self, original_node: cst.For, updated_node: cst.For
    ) -> Statement | cst.FlattenSentinel[Statement]:
        if not m.matches(updated_node.iter, m.Name()) or not m.matches(updated_node.target, m.Tuple()):
            return updated_node
        empty = cst.Module(body=[])
        line = cst.parse_statement(f"batches_read = {empty.code_for_node(updated_node.iter)}")
        assert isinstance(line, cst.SimpleStatementLine)
        loop = updated_node.with_changes(iter=cst.Name("batches_read"), leading_lines=[])
        return cst.FlattenSentinel([line.with_changes(leading_lines=updated_node.leading_lines), loop])


def loader_under_another_name(module: cst.Module) -> cst.Module:
    return module.visit(_ConditionalLoop())


class _Batches(cst.CSTTransformer):
    """``for x, y in xs`` as ``for batch in xs: x, y = batch``."""

    def leave_For(self, original_node: cst.For, updated_node: cst.For) -> cst.For:
        if not m.matches(updated_node.target, m.Tuple(elements=[m.Element(), m.Element()])):
            return updated_node
        if not isinstance(updated_node.body, cst.IndentedBlock) or m.matches(updated_node.iter, m.Call()):
            return updated_node
        empty = cst.Module(body=[])
        line = cst.parse_statement(f"{empty.code_for_node(updated_node.target)} = one_batch")
        body = updated_node.body.with_changes(body=[line, *updated_node.body.body])
        return updated_node.with_changes(target=cst.Name("one_batch"), body=body)


def batch_in_a_variable(module: cst.Module) -> cst.Module:
    return module.visit(_Batches())


STRUCTURES: dict[str, Variation] = {
    change.__name__: change
    for change in (
        annotated_variables,
        annotated_parameters,
        walrus,
        chained_targets,
        result_in_a_variable,
        starred_targets,
        chained_results,
        bound_method,
        in_an_if,
        in_a_try,
        in_a_with,
        main_is_a_method,
        loader_under_another_name,
        batch_in_a_variable,
    )
}
