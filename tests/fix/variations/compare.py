"""What two spellings of one program share."""

from __future__ import annotations

import ast
import difflib
import io
import tokenize

GONE = "double_backward"
ALIASES = ("everything",)
"""Further targets that variations add to an assignment, beside those that end in ``_too``."""


class _Meaning(ast.NodeTransformer):
    """Names of imports as what they stand for, keyword arguments in one order, no imports."""

    def __init__(self, bound: dict[str, str]) -> None:
        self.bound = bound

    def visit_Import(self, node: ast.Import) -> None:
        return None

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        return None

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Name(self.bound.get(node.id, node.id), node.ctx)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.value, ast.Name) and node.value.id.startswith("@"):
            return ast.Name(f"{node.value.id}.{node.attr}", node.ctx)
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.stmt:
        self.generic_visit(node)
        if isinstance(node.value, ast.NamedExpr):
            return ast.Assign([node.value.target], node.value.value)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt:
        self.generic_visit(node)
        if isinstance(node.annotation, ast.Name) and node.annotation.id == "object" and node.value:
            return ast.Assign([node.target], node.value)
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.stmt:
        self.generic_visit(node)
        names = [t.id if isinstance(t, ast.Name) else "" for t in node.targets]
        kept = [t for t, n in zip(node.targets, names, strict=True) if n not in ALIASES and n[-4:] != "_too"]
        node.targets = kept or node.targets
        return node

    def visit_Try(self, node: ast.Try) -> ast.stmt | None:
        self.generic_visit(node)
        return None if all(isinstance(s, ast.Pass) for s in node.body) and node.handlers else node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        # A parameter that the fix adds has no annotation.
        if isinstance(node.annotation, ast.Name) and node.annotation.id == "object":
            node.annotation = None
        self.generic_visit(node)
        return node

    def visit_List(self, node: ast.List) -> ast.expr:
        self.generic_visit(node)
        return ast.Tuple(node.elts, node.ctx) if isinstance(node.ctx, ast.Store) else node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        node.keywords.sort(key=lambda k: k.arg or "")
        return node


def meaning(text: str) -> str:
    """The program as Python text without layout, comments and forms of imports."""
    tree = ast.parse(text)
    bound: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.asname or alias.name.partition(".")[0]
                bound[name] = "@" + (alias.name if alias.asname else name)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                bound[alias.asname or alias.name] = f"@{'.' * node.level}{node.module or ''}.{alias.name}"
    tree = ast.fix_missing_locations(_Meaning(bound).visit(tree))
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            if isinstance(getattr(node, name, None), list) and not getattr(node, name) and name == "body":
                node.body.append(ast.Pass())  # type: ignore[attr-defined]
    return ast.unparse(tree)


def imported(text: str) -> set[str]:
    """The names that are imported from modules, wherever that stands."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            found |= {f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names}
    return found


def comments(text: str) -> dict[str, str]:
    """Every comment, with the code on its line, or, for one of its own line, the code below it."""
    found: dict[str, str] = {}
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            code = lines[row - 1][:column].strip()
            if not code:
                below = (line.strip() for line in lines[row:])
                code = next((line for line in below if line and not line.startswith("#")), "")
            found[token.string] = code
    return found


def lost(before: str, after: str) -> list[str]:
    """Comments that are gone though their code is not."""
    kept = comments(after)
    old, new = (
        [" ".join(line.partition("#")[0].split()) for line in text.splitlines()] for text in (before, after)
    )
    old, new = [line for line in old if line], [line for line in new if line]
    gone: set[str] = set()
    for kind, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "delete" or (kind == "replace" and b - a != d - c):
            gone.update(line for line in old[a:b] if new.count(line) < old.count(line))
    return [
        comment
        for comment, code in comments(before).items()
        if comment not in kept and " ".join(code.partition("#")[0].split()) not in gone
    ]
