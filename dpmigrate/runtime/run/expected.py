"""How many private training runs a script is about to make, from its text alone.

A script is stopped after a few logical steps; one that trains two engines must not be stopped at the
first. Branches of an ``if`` exclude each other, loops over literals count each turn, and functions
of the same file are followed. Where the text does not say, one run is expected.
"""

from __future__ import annotations

import ast
from pathlib import Path

from dpmigrate.runtime.run.request import Request

MAKERS = ("make_private", "make_private_with_epsilon", "DPOptimizerFastGradientClipping", "DPOptimizer")

Definitions = dict[str, ast.FunctionDef | ast.AsyncFunctionDef]


def expected_engines(request: Request) -> int:
    """The number of engines to wait for; at least 1."""
    if request.kind != "script":
        return 1
    from dpmigrate.runtime.run.launch import python_of

    path = Path(request.target)
    try:
        text = python_of(str(path)) if path.suffix == ".ipynb" else path.read_bytes()
        tree = ast.parse(text)
    except (SyntaxError, ValueError, OSError):
        return 1
    functions: Definitions = {
        n.name: n for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))
    }
    return max(1, _count(tree.body, functions, ()))


def _count(body: list[ast.stmt], functions: Definitions, seen: tuple[str, ...]) -> int:
    total = 0
    for statement in body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        if isinstance(statement, ast.If):
            if _is_main_guard(statement):
                total += _count(statement.body, functions, seen)
                continue
            total += _expressions(statement.test, functions, seen)
            total += max(_count(statement.body, functions, seen), _count(statement.orelse, functions, seen))
        elif isinstance(statement, (ast.For, ast.AsyncFor)):
            total += _expressions(statement.iter, functions, seen)
            total += _turns(statement.iter) * _count(statement.body, functions, seen)
        elif isinstance(statement, (ast.With, ast.AsyncWith, ast.While)):
            total += _count(statement.body, functions, seen)
        elif isinstance(statement, ast.Try):
            total += _count(statement.body, functions, seen) + _count(statement.finalbody, functions, seen)
        else:
            total += _expressions(statement, functions, seen)
    return total


def _expressions(node: ast.AST, functions: Definitions, seen: tuple[str, ...]) -> int:
    total = 0
    for call in (n for n in ast.walk(node) if isinstance(n, ast.Call)):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if name in MAKERS:
            total += 1
        elif name in functions and name not in seen:
            total += _count(functions[name].body, functions, (*seen, name))
    return total


def _turns(iterable: ast.expr) -> int:
    if isinstance(iterable, (ast.Tuple, ast.List, ast.Set)):
        return len(iterable.elts)
    return 1


def _is_main_guard(statement: ast.If) -> bool:
    test = statement.test
    return isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id == "__name__"
