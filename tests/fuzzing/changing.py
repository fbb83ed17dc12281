"""What is done to a program, to a JSON document and to bytes."""

from __future__ import annotations

import ast
import copy
import keyword
import re
import textwrap
from collections.abc import Callable
from random import Random
from typing import Any

from tests.fuzzing.seeds import foreign_statement

AROUND = (
    "if {test}:",
    "for _ in range(2):",
    "while {test}:",
    "try:",
    "with open({name}) as {name}:",
    "def inner({name}=None):",
    "async def inner(*{name}):",
    "class Inner:",
    "match {name}:\n    case {{'a': [*{name}], **rest}} if {test}:",
    "with ({name} as first, {name}):",
    "lambda: (yield)\nif ({name} := {test}):",
)
ODD_BYTES = (
    b"\0",
    b"\xff",
    b"\r",
    b"\x0c",
    b"\t",
    b"\\\n",
    b"'''",
    b'"',
    b"(",
    b"]",
    b"{",
    b"#",
    b":",
    b"\n\n",
)
ODD_BYTES += (
    "\u2028".encode(),
    "é".encode(),
    "\ufeff".encode(),
    b"opacus",
    b"==1.5.2",
    b" ",
    b",",
    b"=",
    b"*",
)
ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    10**30,
    1e308,
    "",
    "a\0b",
    "\ud800",
    [],
    [[]],
    {},
    {"a": 1},
    "../x",
)
_NAME = re.compile(r"(?<![\w.])[A-Za-z_]\w*")


def changed_program(text: str, rng: Random) -> str:
    """A program with one to four changes, most of which leave it one that compiles."""
    for _ in range(rng.randint(1, 4)):
        change = rng.choice(_CHANGES)
        try:
            text = change(text, rng)
        except (SyntaxError, ValueError, RecursionError):
            text = damaged(text.encode("utf-8", "replace"), rng, 1).decode("utf-8", "replace")
    return text


def damaged(data: bytes, rng: Random, most: int = 6) -> bytes:
    """Bytes of which a few stretches are cut out, replaced, copied or swapped."""
    for _ in range(rng.randint(1, most)):
        start = rng.randint(0, len(data))
        end = min(len(data), start + rng.choice((0, 0, 1, 2, 5, 40)))
        how = rng.randrange(4)
        if how == 0:
            new = b"".join(rng.choice(ODD_BYTES) for _ in range(rng.randint(0, 3)))
        elif how == 1:
            at = rng.randint(0, len(data))
            new = data[at : at + rng.randint(1, 60)]
        elif how == 2:
            new = bytes(rng.randrange(256) for _ in range(rng.randint(1, 3)))
        else:
            new = data[start:end] * rng.randint(0, 3)
        data = data[:start] + new + data[end:]
    return data


def changed_document(document: Any, rng: Random) -> Any:
    """A JSON document in which one to three things are others, or gone."""
    for _ in range(rng.randint(1, 3)):
        holders = list(_holders(document))
        if not holders:
            return copy.deepcopy(rng.choice(ODD_VALUES))
        holder = rng.choice(holders)
        key = rng.choice(list(holder) if isinstance(holder, dict) else list(range(len(holder))))
        how = rng.randrange(4)
        if how == 0:
            del holder[key]
        elif how == 1 and isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[key]))
        elif how == 2 and isinstance(holder[key], str):
            holder[key] = damaged(holder[key].encode("utf-8", "replace"), rng, 2).decode("utf-8", "replace")
        else:
            holder[key] = copy.deepcopy(rng.choice(ODD_VALUES))
    return document


def _holders(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    own = [value] if inner else []
    return own + [holder for item in inner for holder in _holders(item)]


def _statements(text: str) -> list[ast.stmt]:
    every = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.stmt)]
    if not every:
        raise ValueError("no statement")
    return every


def _indent(text: str, statement: ast.stmt) -> str:
    line = text.splitlines(keepends=True)[statement.lineno - 1]
    return line[: len(line) - len(line.lstrip())]


def _spliced(text: str, statement: ast.stmt, new: str, *, instead: bool) -> str:
    lines = text.splitlines(keepends=True)
    start = statement.lineno - 1
    end = (statement.end_lineno or statement.lineno) if instead else start
    return "".join((*lines[:start], textwrap.indent(new, _indent(text, statement)), *lines[end:]))


def _own(text: str, statement: ast.stmt) -> str:
    lines = text.splitlines(keepends=True)[statement.lineno - 1 : statement.end_lineno]
    return textwrap.dedent("".join(lines))


def _insert_foreign(text: str, rng: Random) -> str:
    foreign = _with_names_of(text, foreign_statement(rng), rng)
    return _spliced(text, rng.choice(_statements(text)), foreign, instead=False)


def _with_names_of(text: str, statement: str, rng: Random) -> str:
    """A foreign statement about the program's own objects."""
    names = sorted(set(_NAME.findall(text)) - set(keyword.kwlist))
    theirs = sorted(set(_NAME.findall(statement)) - set(keyword.kwlist))
    for name in rng.sample(theirs, min(len(theirs), rng.randint(0, 3))):
        statement = re.sub(rf"(?<![\w.]){name}\b", rng.choice(names or [name]), statement)
    return statement


def _drop(text: str, rng: Random) -> str:
    return _spliced(text, rng.choice(_statements(text)), "pass\n", instead=True)


def _copy(text: str, rng: Random) -> str:
    statements = _statements(text)
    return _spliced(text, rng.choice(statements), _own(text, rng.choice(statements)), instead=False)


def _wrap(text: str, rng: Random) -> str:
    statement = rng.choice(_statements(text))
    names = _NAME.findall(text)
    head = rng.choice(AROUND).format(name=rng.choice(names), test=rng.choice(names))
    depth = " " * (len(head.splitlines()[-1]) - len(head.splitlines()[-1].lstrip()) + 4)
    tail = rng.choice(("except Exception:\n    pass\n", "finally:\n    pass\n")) if head == "try:" else ""
    whole = head + "\n" + textwrap.indent(_own(text, statement), depth) + tail
    return _spliced(text, statement, whole, instead=True)


def _swap_names(text: str, rng: Random) -> str:
    found = [m for m in _NAME.finditer(text) if not keyword.iskeyword(m.group())]
    old, new = rng.choice(found), rng.choice(found).group()
    return text[: old.start()] + new + text[old.end() :]


def _swap_expressions(text: str, rng: Random) -> str:
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.expr)]
    if not nodes:
        raise ValueError("no place")
    segments = [
        (node, ast.get_source_segment(text, node) or "") for node in rng.sample(nodes, min(2, len(nodes)))
    ]
    (node, own), (_, other) = segments[0], segments[-1]
    if not own or node.end_lineno is None or node.end_col_offset is None:
        raise ValueError("no place")
    rows = [line.encode() for line in text.splitlines(keepends=True)]
    before = b"".join(rows[: node.lineno - 1]) + rows[node.lineno - 1][: node.col_offset]
    after = rows[node.end_lineno - 1][node.end_col_offset :] + b"".join(rows[node.end_lineno :])
    return (before + other.encode() + after).decode()


def _other_layout(text: str, rng: Random) -> str:
    return rng.choice(
        (
            lambda: text.replace("\n", "\r\n"),
            lambda: text.replace("    ", "\t"),
            lambda: text.rstrip("\n"),
            lambda: "\ufeff" + text,
            lambda: text.replace("\n", "  # dpmigrate: ignore\n", 1),
            lambda: text.replace(", ", ",\\\n ", 1),
            lambda: text.replace("\n\n", "\n\x0c\n", 1),
        )
    )()


_CHANGES: tuple[Callable[[str, Random], str], ...] = (
    _insert_foreign,
    _insert_foreign,
    _insert_foreign,
    _drop,
    _copy,
    _copy,
    _wrap,
    _wrap,
    _swap_names,
    _swap_names,
    _swap_expressions,
    _swap_expressions,
    _other_layout,
)
