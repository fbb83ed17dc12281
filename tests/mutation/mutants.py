"""The small faults that can be planted into a module: what each changes, and the module's text with it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import NamedTuple

_COMPARED = {
    "==": "!=",
    "!=": "==",
    "<": "<=",
    "<=": "<",
    ">": ">=",
    ">=": ">",
    "is": "is not",
    "is not": "is",
    "in": "not in",
    "not in": "in",
}
_SIGNS: dict[type[ast.AST], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Is: "is",
    ast.IsNot: "is not",
    ast.In: "in",
    ast.NotIn: "not in",
}
_ARITHMETIC: dict[type[ast.AST], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.BitOr: ("|", "&"),
    ast.BitAnd: ("&", "|"),
}
_CALLED = {"any": "all", "all": "any", "min": "max", "max": "min"}


class Mutant(NamedTuple):
    """One fault: characters ``start`` to ``end`` of the module become ``new``."""

    line: int
    what: str
    start: int
    end: int
    new: str

    def planted(self, text: str) -> str:
        return text[: self.start] + self.new + text[self.end :]


def mutants(text: str) -> list[Mutant]:
    """All of them, but for annotations, docstrings, assertions, and what only type checkers read."""
    rows = text.splitlines(keepends=True)
    offsets = list(accumulate(map(len, rows), initial=0))

    def at(node: ast.AST) -> tuple[int, int]:
        """Where a node begins and ends, in characters."""

        def place(line: int, column: int) -> int:
            return offsets[line - 1] + len(rows[line - 1].encode()[:column].decode())

        return place(node.lineno, node.col_offset), place(node.end_lineno, node.end_col_offset)

    found = []
    functions = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef)]
    for node in (
        inside for function in functions for statement in function.body for inside in _told(statement)
    ):
        for what, place, new in _changes(node, text, at):
            found.append(Mutant(text.count("\n", 0, place[0]) + 1, what, *place, new))
    return [m for m in dict.fromkeys(found) if _compiles(m.planted(text))]


def _told(tree: ast.AST) -> Iterator[ast.AST]:
    """Nodes that decide something when the module runs."""
    for name, value in ast.iter_fields(tree):
        if name in ("annotation", "returns", "decorator_list", "bases"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST):
                continue
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                continue
            if isinstance(child, ast.Assert | ast.Import | ast.ImportFrom | ast.JoinedStr):
                continue
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                continue
            if isinstance(child, ast.Call) and isinstance(child.func, ast.Name) and child.func.id == "cast":
                continue
            if hasattr(child, "lineno") or isinstance(child, ast.comprehension):
                yield child
            yield from _told(child)


def _changes(
    node: ast.AST, text: str, at: Callable[[ast.AST], tuple[int, int]]
) -> Iterator[tuple[str, tuple[int, int], str]]:
    place = at(node) if hasattr(node, "lineno") else (0, 0)  # a comprehension's clause has none
    own = text[place[0] : place[1]]
    # Every function keeps its line.
    lines = "\n" * own.count("\n")
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        sign = _SIGNS[type(node.ops[0])]
        left, right = at(node.left)[1], at(node.comparators[0])[0]
        between = text[left:right]
        if sign in between:
            yield "comparison", (left, right), between.replace(sign, _COMPARED[sign], 1)
    elif isinstance(node, ast.BoolOp):
        word, other = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        left, right = at(node.values[0])[1], at(node.values[1])[0]
        yield "boolean", (left, right), text[left:right].replace(word, other, 1)
    elif isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        sign, other = _ARITHMETIC[type(node.op)]
        left, right = at(node.left)[1], at(node.right)[0]
        yield "arithmetic", (left, right), text[left:right].replace(sign, other, 1)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "negation dropped", place, f"({text[slice(*at(node.operand))]})"
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield "constant", place, str(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield "constant", place, str(node.value + 1)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
        yield "word", place, "'another'"
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CALLED:
        yield "call", at(node.func), _CALLED[node.func.id]
    elif (
        isinstance(node, ast.Return) and node.value is not None and own not in ("return None", "return False")
    ):
        yield "returned", place, "return None" + lines
    elif isinstance(node, ast.Expr | ast.AugAssign | ast.Continue | ast.Break | ast.Raise):
        yield "statement dropped", place, "pass" + lines
    if isinstance(node, ast.If | ast.While | ast.IfExp):
        test = at(node.test)
        yield "condition", test, f"(not ({text[slice(*test)]}))"
    if isinstance(node, ast.comprehension):
        for condition in node.ifs:
            test = at(condition)
            yield "condition", test, f"(not ({text[slice(*test)]}))"


def _compiles(text: str) -> bool:
    try:
        compile(text, "<mutant>", "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True
