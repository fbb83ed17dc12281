"""Python text to a LibCST tree, guarded: the parser must neither crash nor hang the process.

LibCST 1.9 overflows the process's stack on about 2,000 nested brackets and on 20,000 chained
operators. CPython's own compiler refuses the first at 200 and the second by a RecursionError, is
ten times as fast, and so goes first. Chains that LibCST parses but cannot render within
Python's recursion limit are refused here too, so that no visitor meets them. What CPython takes
for syntax and still compiles never (a ``return`` outside of functions) is refused as Python does;
what it does not take for syntax may be that of a newer Python, and LibCST decides.
"""

from __future__ import annotations

import ast
import re
import warnings
from types import CodeType
from typing import TYPE_CHECKING, NamedTuple

from dpmigrate.workspace.errors import Unparsable
from dpmigrate.workspace.source import Source
from dpmigrate.workspace.stack import room_for_rendering

if TYPE_CHECKING:
    import libcst

_TOO_DEEP = "syntax error: an expression or block is too deeply nested"
_MAX_DEPTH = 200
_MAX_CHAIN = 600
_DEEP = 100
"""LibCST renders and visits about 300 levels within Python's default recursion limit."""

_NEVER_SYNTAX = ("too many nested", "(unicode error)", "bytes can only contain ASCII")
"""In what CPython says of text that no other Python takes either, or that would exhaust a parser."""
_TAKEN_LATER = "asynchronous comprehension"
"""In what Python 3.10 says of code that Python 3.11 compiles."""

_LINKS = b"+-*/%@&|^~<>.([{\"'"
_BREAKS = b",;:="
_CLASSES = bytes(76 if c in _LINKS else 44 for c in range(256))
_OTHER = bytes(c for c in range(256) if c not in _LINKS + _BREAKS)
_WORDS = (" and ", " or ", "not ", " if ", "elif ", "lambda", "await ")

_TOKEN = re.compile(
    r"""(?P<skip>"{3}(?:[^"\\]|\\.|"(?!""))*"{3}|'{3}(?:[^'\\]|\\.|'(?!''))*'{3}"""
    r"""|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|\#[^\r\n]*)"""
    r"""|(?P<open>[\[({])|(?P<close>[\])}])|(?P<end>[,;\n])"""
    r"""|(?P<link>[-+*/%@&|^~<>.]|\b(?:not|and|or|if|in|is|lambda|await)\b)""",
    re.DOTALL,
)


def parse(source: Source) -> libcst.Module:
    """The tree of ``source.python``. Raises :class:`Unparsable` with a line of that text."""
    import libcst

    from dpmigrate.workspace.pieces import parsed

    compiled = _compiled(source)
    code, refusal = (None, compiled) if isinstance(compiled, _Refusal) else (compiled, None)
    if refusal is not None and refusal.final:
        raise Unparsable(f"syntax error: {refusal.reason}", refusal.line)
    suspicious = _may_be_deep(source.python)
    if (suspicious or refusal is not None) and not _is_shallow(source.python):
        raise Unparsable(_TOO_DEEP)
    try:
        module = parsed(source.python, code)
        if suspicious:
            with room_for_rendering():
                _ = module.code
    except libcst.ParserSyntaxError as error:
        if refusal is not None:
            raise Unparsable(f"syntax error: {refusal.reason}", refusal.line) from error
        said = error.message.splitlines()[0]
        raise Unparsable(
            f"Python that LibCST, which reads it here, cannot parse: {said}", error.raw_line
        ) from error
    except (RecursionError, MemoryError) as error:
        raise Unparsable(_TOO_DEEP) from error
    except (ValueError, SyntaxError) as error:
        # CSTValidationError is a SyntaxError: a tree that LibCST itself holds to be impossible.
        if refusal is not None:
            raise Unparsable(f"syntax error: {refusal.reason}", refusal.line) from error
        raise Unparsable(f"syntax error: {' '.join(str(error).split())}") from error
    return module


class _Refusal(NamedTuple):
    """Why CPython does not take a text; ``final`` when no parser needs to be asked any more."""

    reason: str
    line: int
    final: bool


def _compiled(source: Source) -> CodeType | _Refusal | None:
    """What CPython makes of a text, or why it does not; None where that decides nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wrong = None
        try:
            # Notebooks take an `await` outside of functions, and so may what was exported from one.
            code = compile(source.python, "<text>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
            assert isinstance(code, CodeType)
            return code
        except SyntaxError as error:
            wrong = error
        except (RecursionError, MemoryError, ValueError):
            pass
        try:
            ast.parse(source.python)
        except SyntaxError as error:
            reason = error.msg or "invalid syntax"
            final = any(word in reason for word in _NEVER_SYNTAX)
            return _Refusal(reason, max(1, error.lineno or 1), final)
        except (RecursionError, MemoryError):
            return _Refusal(_TOO_DEEP.removeprefix("syntax error: "), 1, True)
        except ValueError as error:
            return _Refusal(str(error), 1, True)
    # Cells are compiled one by one: what their joined text breaks none of them need break.
    if wrong is None or source.is_notebook or _TAKEN_LATER in wrong.msg:
        return None
    return _Refusal(wrong.msg, max(1, wrong.lineno or 1), True)


def _may_be_deep(text: str) -> bool:
    """Whether some chain of operators, brackets or words could be long; often True for nothing."""
    if b"L" * _DEEP in text.encode("utf-8", "surrogatepass").translate(_CLASSES, _OTHER):
        return True
    return any(text.count(word) > _DEEP for word in _WORDS)


def _is_shallow(text: str) -> bool:
    """Whether brackets and operator chains stay short, strings and comments not counted."""
    depth = chain = 0
    for token in _TOKEN.finditer(text):
        kind = token.lastgroup
        if kind == "open":
            depth += 1
            chain += 1
        elif kind == "close":
            depth -= 1
        elif kind == "end":
            chain = 0 if token[0] != "\n" or depth <= 0 else chain
        elif kind == "link":
            chain += 1
        if depth > _MAX_DEPTH or chain > _MAX_CHAIN:
            return False
    return True
