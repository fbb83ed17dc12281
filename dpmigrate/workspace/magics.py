"""IPython's line and cell magics, replaced line for line by Python so that a cell parses.

``!cmd``, ``%magic`` and ``obj?`` become a ``pass`` statement, ``x = !cmd`` becomes an assignment
of an undefined name, ``%run a/b.py`` becomes ``from a.b import *``, which leaves the same names, and a
cell magic whose body is not Python becomes one ``pass`` per line.
Each replaced line carries a comment with the number of its original text, so that the original
comes back wherever an edit moved the line. Rules as in IPython.core.inputtransformer2.
"""

from __future__ import annotations

import ast
import keyword
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
"""One physical line with its end, as Python's tokenizer counts lines."""

_PYTHON_CELL_MAGICS = frozenset(
    ["capture", "debug", "memit", "mprun", "notify", "prun", "px", "scalene", "snakeviz", "time", "timeit"]
)
_CANDIDATE = re.compile(r"^[ \t]*[%!?/,;]|=[ \t]*[%!]|\?[ \t]*\r?$", re.MULTILINE)
_WHOLE = re.compile(r"[ \t]*[%!?/,;]|[ \t]*%{0,2}[\w.*]+(?:\[[\w'\"]+\])?\?{1,2}[ \t]*$")
_ASSIGNED = re.compile(r"([ \t]*[^\W\d][\w.,\[\]'\" \t]*[ \t]*=[ \t]*)([%!].*)$")
_TIMED = re.compile(r"([ \t]*)(%(?:time|timeit|prun|memit)[ \t]+)([^-\s].*)$")
_RUN = re.compile(r"%run[ \t]+(?:-[a-zA-Z][ \t]+)*[\"']?(?:\.{1,2}/)*((?:[^\W\d]\w*/)*[^\W\d]\w*)\.py\b")
_AUTOMAGIC = re.compile(
    r"[ \t]*(?:(?:pip3?|conda|mamba|uv)[ \t]+[a-z]"
    r"|(?:cd|ls|pwd|cat|mkdir|rm|cp|mv|clear|load_ext|matplotlib)(?:[ \t]+[^\s=(.,:\[]|[ \t]*$))"
)
_TOKEN = re.compile(r"""("{3}|'{3}|["'])|(#)|([\[({])|[\])}]""")
_STRING_END = {quote: re.compile(r"\\.|" + quote) for quote in ('"', "'", '"""', "'''")}


@dataclass(frozen=True, slots=True)
class Magic:
    """A replaced line: ``text`` is the original, with its indentation when ``whole``.

    When ``before``, the text (such as ``%time``) stood before a statement that is kept.
    """

    cell: int
    line: int
    text: str
    whole: bool = False
    before: bool = False
    prefix: str = ""
    """What stands before the text on its line."""


class Magics:
    """The originals of the lines replaced in one notebook.

    ``tag`` is the comment that marks a replaced line; it must occur nowhere in the notebook.
    """

    def __init__(self, tag: str) -> None:
        self._tag = tag
        self.kept: list[Magic] = []
        self.hidden: set[int] = set()
        """Cells of which nothing is left as Python."""
        self.indented: dict[int, tuple[int, ...]] = {}
        """How many characters of indentation were taken from each line of a cell, by the cell."""
        reference = rf"#[ \t]*{re.escape(tag)}"
        self._reference = re.compile(
            rf"^([ \t]*)([^\r\n]*?)(?:(?:pass|ipython_magic|from [\w.]+ import \*)[ \t]*{reference}"
            rf"|[ \t]*{reference}-before) (\d+)"
            r"[ \t]*(?=[\r\n]|\Z)",
            re.MULTILINE,
        )

    def neutralise(self, cell: int, lines: Sequence[str]) -> list[str]:
        """The same number of lines with magics replaced; ``lines`` are the cell's, with their ends."""
        replaced = list(lines)
        first = next((i for i, line in enumerate(lines) if line.strip()), len(lines))
        while first < len(lines) and lines[first].startswith("%%"):
            name = re.match(r"%%\s*([\w.]*)", lines[first])
            if name is None or name[1] not in _PYTHON_CELL_MAGICS:
                return replaced[:first] + self.hide(cell, lines[first:], first)
            replaced[first] = self._pass(cell, first, lines[first])
            first += 1
        if _CANDIDATE.search("".join(lines[first:])):
            replaced[first:] = self._line_magics(cell, lines[first:], first)
        return replaced

    def hide_line(self, cell: int, index: int, line: str) -> list[str]:
        """A line that is a magic, as a ``pass`` statement; ``index`` counts from 0."""
        return [self._pass(cell, index, line)]

    def hide(self, cell: int, lines: Sequence[str], first: int = 0) -> list[str]:
        """One ``pass`` statement for every line that is not blank; ``first`` is the first one's index."""
        self.hidden.add(cell)
        return [
            self._pass(cell, first + i, line, whole=True) if line.strip() else line
            for i, line in enumerate(lines)
        ]

    def hide_automagic(self, cell: int, lines: Sequence[str]) -> list[str] | None:
        """Lines such as ``pip install x`` or ``cd data`` replaced; None when there is no such line."""
        bodies = [line.rstrip("\r\n") for line in lines]
        # What goes on from the line before, a shell command's or Python's, begins nothing.
        begins = [True, *(not body.endswith("\\") for body in bodies)]
        automagic = [
            new and _AUTOMAGIC.match(body) is not None for new, body in zip(begins, bodies, strict=False)
        ]
        if not any(automagic):
            return None
        return [self._pass(cell, i, line) if automagic[i] else line for i, line in enumerate(lines)]

    def take_indentation(self, cell: int, lines: Sequence[str]) -> list[str] | None:
        """The lines without the first one's indentation, as IPython runs them; None where it has none."""
        indent = _indent(next((line for line in lines if line.strip()), ""))
        if not indent:
            return None
        taken = [line.removeprefix(indent) for line in lines]
        self.indented[cell] = tuple(len(a) - len(b) for a, b in zip(lines, taken, strict=True))
        return taken

    def left_of(self, cell: int, line: int) -> int:
        """How many characters stand left of what is kept of a line, by its 1-based number."""
        timed = sum(len(m.text) for m in self.kept if m.before and (m.cell, m.line) == (cell, line))
        taken = self.indented.get(cell, ())
        return timed + (taken[line - 1] if line <= len(taken) else 0)

    def forget(self, cell: int, count: int) -> None:
        """Take back what was kept of ``cell``, so that ``count`` originals are left."""
        del self.kept[count:]
        self.hidden.discard(cell)
        self.indented.pop(cell, None)

    def is_replaced(self, line: str) -> bool:
        """Whether a line of the Python text stands for an original."""
        return self._reference.match(line) is not None

    def numbers(self, python: str) -> list[int]:
        """The numbers of the originals that a Python text stands for, in order."""
        return [int(match[3]) for match in self._reference.finditer(python)]

    def without_numbers(self, python: str) -> str:
        """``python`` with the originals' numbers left out, for comparison."""
        return self._reference.sub(lambda m: m[0][: m.start(3) - m.start()], python)

    def restore(self, python: str, edits: Mapping[tuple[int, int], str]) -> str:
        """``python`` with every original back in place.

        ``edits`` maps (cell, 1-based line) of a replaced line to the text that stands there
        instead of the original.
        """

        def original(match: re.Match[str]) -> str:
            magic = self.kept[int(match[3])]
            edited = edits.get((magic.cell, magic.line))
            text = magic.text if edited is None else edited.removeprefix(magic.prefix)
            if magic.whole:
                return text
            if magic.before:
                return match[1] + text + match[2]
            return match[1] + match[2] + text

        return self._reference.sub(original, python)

    def _keep(
        self, cell: int, index: int, text: str, whole: bool = False, before: bool = False, prefix: str = ""
    ) -> str:
        self.kept.append(Magic(cell, index + 1, text, whole, before, prefix))
        return f"# {self._tag}{'-before' if before else ''} {len(self.kept) - 1}"

    def _pass(self, cell: int, index: int, line: str, whole: bool = False) -> str:
        body = line.rstrip("\r\n")
        indent = "" if whole else _indent(body)
        reference = self._keep(cell, index, body[len(indent) :], whole, prefix=indent)
        return f"{indent}pass  {reference}{line[len(body) :]}"

    def _line_magics(self, cell: int, lines: Sequence[str], first: int) -> list[str]:
        replaced: list[str] = []
        statement = _StatementStart()
        continued = False
        indent = ""
        for index, line in enumerate(lines, first):
            body = line.rstrip("\r\n")
            end = line[len(body) :]
            if continued:
                replaced.append(f"{indent}pass  {self._keep(cell, index, body, whole=True)}{end}")
            elif statement.here and (timed := _TIMED.match(body)) and is_statement(timed[3]):
                reference = self._keep(cell, index, timed[2], before=True)
                replaced.append(f"{timed[1]}{timed[3]}  {reference}{end}")
                continue
            elif statement.here and (module := _module_run(body)):
                replaced.append(f"from {module} import *  {self._keep(cell, index, body)}{end}")
                continue
            elif statement.here and _WHOLE.match(body):
                indent = _indent(body)
                replaced.append(self._pass(cell, index, line))
            elif statement.here and (assigned := _ASSIGNED.match(body)) is not None:
                indent = _indent(body)
                reference = self._keep(cell, index, assigned[2], prefix=body[: len(body) - len(assigned[2])])
                replaced.append(f"{assigned[1]}ipython_magic  {reference}{end}")
            else:
                statement.feed(body)
                replaced.append(line)
                continue
            continued = body.endswith("\\")
        return replaced


def _module_run(body: str) -> str:
    """The module that a line runs in the notebook's own namespace; empty when it is no such line."""
    run = _RUN.match(body)
    parts = run[1].split("/") if run is not None and not body.endswith("\\") else []
    return "" if any(map(keyword.iskeyword, parts)) else ".".join(parts)


class _StatementStart:
    """Whether the next line begins a statement: outside strings, brackets and continuations."""

    def __init__(self) -> None:
        self._quote = ""
        self._depth = 0
        self._continued = False

    @property
    def here(self) -> bool:
        return not (self._quote or self._depth or self._continued)

    def feed(self, body: str) -> None:
        """Take in one physical line, without its end."""
        position = 0
        backslash = body.endswith("\\")
        while True:
            if self._quote:
                ends = _STRING_END[self._quote].finditer(body, position)
                closing = next((m for m in ends if m[0] == self._quote), None)
                if closing is None:
                    break
                position, self._quote = closing.end(), ""
            token = _TOKEN.search(body, position)
            if token is None:
                break
            position = token.end()
            if token[1]:
                self._quote = token[1]
            elif token[2]:
                backslash = False
                break
            else:
                self._depth = max(0, self._depth + (1 if token[3] else -1))
        if len(self._quote) == 1 and not backslash:
            self._quote = ""  # an unterminated string ends with its line
        self._continued = backslash and not self._quote


def is_statement(text: str) -> bool:
    """Whether the text is Python by itself."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _indent(body: str) -> str:
    return body[: len(body) - len(body.lstrip(" \t"))]
