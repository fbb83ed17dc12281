"""A long text parsed piece by piece, to the tree that it has as a whole.

While it parses, LibCST holds more than 3 KB for each operator, bracket and line of a text, some fifteen
times the tree that comes of it. So a long text is cut between statements of its top level, and only one
piece's share is held at a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from types import CodeType

import libcst as cst

from dpmigrate.workspace.magics import LINE

LENGTH = 32_000
"""Characters of a piece, at least."""

_STATEMENT = re.compile(r"(?!(?:elif|else|except|finally)\b)(?:@|[^\W\d])")
_DEFINITION = re.compile(r"(?:async|class|def)\b")
_NEWLINE = re.compile(r"\r\n?|\n")


def parsed(text: str, code: CodeType | None) -> cst.Module:
    """The tree of a text. ``code`` is what Python compiles it to, where it does; raises as LibCST does."""
    if code is not None and len(text) > 2 * LENGTH:
        starts = list(_starts(text, code))
        module = _joined([text[a:b] for a, b in zip(starts, [*starts[1:], len(text)], strict=True)])
        if module is not None:
            return module
    return cst.parse_module(text)


def _starts(text: str, code: CodeType) -> Iterator[int]:
    """Where pieces begin: the first with the text, the others with what looks like a statement."""
    numbers = {line for _, _, line in code.co_lines()}
    last, before = 0, ""
    yield last
    for number, line in enumerate(LINE.finditer(text), 1):
        if (
            number in numbers
            and line.start() - last >= LENGTH
            and _STATEMENT.match(line[0])
            and not before.endswith("\\")
            and not (before and before[0] != "#" and _DEFINITION.match(line[0]))  # decorated, it may be
        ):
            last = line.start()
            yield last
        before = line[0].rstrip("\r\n")


def _joined(pieces: Sequence[str]) -> cst.Module | None:
    """The tree of a text in pieces; None where they are no statements, each piece for itself.

    A statement before each piece hands on the line end and the indentation of the whole text, and one
    after it takes the comments that belong to the next piece's first statement; both are taken away again.
    """
    newline = _NEWLINE.search(pieces[0])
    end = newline[0] if newline else "\n"
    indent = ""
    trees: list[cst.Module] = []
    body: list[cst.SimpleStatementLine | cst.BaseCompoundStatement] = []
    above: Sequence[cst.EmptyLine] = ()
    for number, text in enumerate(pieces):
        head = "" if number == 0 else f"def _():{end}{indent}0{end}" if indent else f"0{end}"
        tail = "" if number == len(pieces) - 1 else f"0{end}"
        try:
            tree = cst.parse_module(f"{head}{text}{tail}")
        except (cst.ParserSyntaxError, ValueError, SyntaxError):
            return None
        statements = list(tree.body)
        if head:
            del statements[0]
        behind = statements.pop() if tail else None
        if tree.default_newline != end or (behind is not None and not _is_tail(behind)):
            return None
        if above and statements:
            statements[0] = statements[0].with_changes(leading_lines=above)
        above = behind.leading_lines if behind is not None else ()
        if not indent and any(map(_has_block, statements)):
            indent = tree.default_indent
        body += statements
        trees.append(tree)
    return trees[0].with_changes(
        body=tuple(body),
        footer=trees[-1].footer,
        default_indent=indent or trees[0].default_indent,
        has_trailing_newline=trees[-1].has_trailing_newline,
    )


def _is_tail(node: cst.SimpleStatementLine | cst.BaseCompoundStatement) -> bool:
    """Whether a piece's last statement is the one that was set behind it, and nothing of the text's."""
    if not isinstance(node, cst.SimpleStatementLine) or len(node.body) > 1:
        return False
    only = node.body[0]
    return isinstance(only, cst.Expr) and isinstance(only.value, cst.Integer) and only.value.value == "0"


def _has_block(node: cst.SimpleStatementLine | cst.BaseCompoundStatement) -> bool:
    """Whether a statement has indented lines below it."""
    if isinstance(node, cst.Match):
        return True
    return isinstance(node, cst.BaseCompoundStatement) and isinstance(node.body, cst.IndentedBlock)
