"""setup.py: string literals that reach ``install_requires`` and its kin. Nothing is executed."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence

from dpmigrate.model import NotAnalysed

from ..pin import Parsed, Pin, parse_requirement
from .pyproject import project_environment

_KEYWORDS = ("install_requires", "extras_require", "tests_require", "setup_requires")
_PLAIN = re.compile(r"""[rRuU]?(?P<quotes>\"{3}|'{3}|"|')""")


def parse(path: str, text: str) -> Parsed:
    """The pins of a setup.py. A file that is not Python, or too deeply nested, is a problem."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in a file that is not ours to judge
            tree = ast.parse(text)
        literals = list(_literals(tree))
    except SyntaxError as error:
        return Parsed(problems=(NotAnalysed(path, error.lineno or 1, f"syntax error: {error.msg}"),))
    except (ValueError, RecursionError, MemoryError) as error:
        return Parsed(problems=(NotAnalysed(path, 1, f"cannot be parsed: {error}"),))
    pins: list[Pin] = []
    problems: list[NotAnalysed] = []
    seen: set[tuple[int, int]] = set()
    starts = _line_starts(text)
    for variant, node in literals:
        where = (node.lineno, node.col_offset)
        value = str(node.value)
        if where in seen or not re.match(r"\s*opacus\b(?![.-])", value, re.I):
            continue
        seen.add(where)
        requirement = parse_requirement(value)
        try:
            if requirement is None:
                raise ValueError(f"not a requirement: {value.strip()}")
            content = _content_offset(text, starts, node, value)
            environment = project_environment(path)
            pins.append(
                requirement.pin(path, node.lineno, value.strip(), "setup.py", environment, content, variant)
            )
        except ValueError as error:
            problems.append(NotAnalysed(path, node.lineno, str(error)))
    return Parsed(tuple(pins), (), tuple(problems))


def _literals(tree: ast.Module) -> Iterator[tuple[str, ast.Constant]]:
    """(variant, literal) for every string that can reach a ``*_requires`` keyword of a call, each once."""
    named = _assignments(tree)
    keywords = [k for call in ast.walk(tree) if isinstance(call, ast.Call) for k in call.keywords]
    pending = [("", k.value) for k in reversed(keywords) if k.arg in _KEYWORDS]
    visited: set[int | str] = set()
    while pending:
        variant, node = pending.pop()
        key = node.id if isinstance(node, ast.Name) else id(node)
        if key in visited:
            continue
        visited.add(key)
        text = _put_together(node)
        if text is not None:
            yield variant, ast.copy_location(ast.Constant(text), node)
        else:
            pending += reversed([(variant or inner, value) for inner, value in _parts(node, named)])


def _assignments(tree: ast.Module) -> dict[str, list[tuple[str, ast.expr]]]:
    """Name -> (variant, value) for every value put into it: assigned, added, appended or by subscript."""
    named: dict[str, list[tuple[str, ast.expr]]] = {}
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    match target:
                        case ast.Name(id=name):
                            named.setdefault(name, []).append(("", value))
                        case ast.Subscript(value=ast.Name(id=name), slice=key):
                            named.setdefault(name, []).append((_extra(key), value))
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                named.setdefault(name, []).append(("", value))
            case ast.AugAssign(target=ast.Name(id=name), value=value):
                named.setdefault(name, []).append(("", value))
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=name), attr="append" | "extend" | "update"), args=args
            ):
                named.setdefault(name, []).extend(("", argument) for argument in args)
    return named


def _parts(
    node: ast.expr, named: Mapping[str, Sequence[tuple[str, ast.expr]]]
) -> Iterable[tuple[str, ast.expr]]:
    """What an expression that is no text is made of, and under which extra."""
    match node:
        case ast.Name(id=name):
            return named.get(name, ())
        case ast.Dict(keys=keys, values=values):
            extras = ["" if key is None else _extra(key) for key in keys]
            return zip(extras, values, strict=True)
        case ast.Call(func=function, args=args, keywords=keywords):
            return [("", argument) for argument in (function, *args, *(k.value for k in keywords))]
        case ast.Compare():
            return ()
    return [("", child) for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]


def _put_together(node: ast.expr) -> str | None:
    """The text of an f-string, or of a sum with a string in it; what is no literal stands there as code."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(_put_together(value) or f"{{{_code(value)}}}" for value in values)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            texts = (_put_together(left), _put_together(right))
            if texts == (None, None):
                return None
            return "".join(
                f"{{{_code(side)}}}" if text is None else text
                for side, text in zip((left, right), texts, strict=True)
            )
    return None


def _code(node: ast.expr) -> str:
    return ast.unparse(node.value if isinstance(node, ast.FormattedValue) else node)


def _extra(key: ast.expr) -> str:
    return f"extra {ast.unparse(key)}"


def _line_starts(text: str) -> list[int]:
    """Offsets of the lines as the parser counts them."""
    starts = [0]
    starts += [match.end() for match in re.finditer(r"\r\n|\r|\n", text)]
    return starts


def _content_offset(text: str, starts: list[int], node: ast.Constant, value: str) -> int | None:
    """Where the content of a literal begins; None where it is not one plain string without escapes."""
    line = starts[node.lineno - 1]
    column = len(text[line:].encode("utf-8", "surrogateescape")[: node.col_offset].decode("utf-8", "replace"))
    opening = _PLAIN.match(text, line + column)
    if opening is None or not text.startswith(value + opening["quotes"], opening.end()):
        return None
    return opening.end()
