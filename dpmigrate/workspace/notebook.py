"""A notebook as Python text, and back: one text of its own, and one of every Python file that it writes.

Every code cell becomes a marker statement (a string expression, which no codemod drops) on a
line of its own, followed by the cell's lines one to one. A cell that is not Python even then is
hidden line for line and reported, and the rest of the notebook is analysed.
"""

from __future__ import annotations

import ast
import re
import warnings
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from dpmigrate.workspace.errors import NotLossless
from dpmigrate.workspace.magics import LINE, Magics
from dpmigrate.workspace.notebook_json import CodeCell, NotebookText, read_notebook
from dpmigrate.workspace.written import apart, first_line

_INSTALLER = re.compile(r"\b(?:pip[\d.]*|conda|mamba|micromamba|uv|poetry|pdm|pipenv)\b")
_INSTALLS = re.compile(r"\b(?:install|add|update|upgrade)\b")
_MARKER_LINE = re.compile(r'^"([^"\r\n]+) (\d+)"[ \t]*;?[ \t]*(?:\r\n|\r|\n|$)', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class BrokenCell:
    """A code cell that is no Python: its index, the 1-based line in it, and why."""

    cell: int
    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class InstallLine:
    """A command in a notebook that installs packages.

    ``text`` is the command as it stands, with newlines where it is continued over several
    lines; ``line`` is the 1-based line in the cell where it begins.
    """

    cell: int
    line: int
    text: str


@dataclass(frozen=True, eq=False)
class Notebook:
    """A notebook, or a file that it writes, and the Python text made of its cells."""

    text: NotebookText
    cells: tuple[CodeCell, ...]
    """The code cells that belong to :attr:`python`; ``text`` has them all."""
    python: str
    broken: tuple[BrokenCell, ...]
    _marker: str
    _magics: Magics
    _starts: tuple[int, ...]
    """1-based line of the marker of each cell in :attr:`python`."""
    name: str = ""
    """The file that the cells write (``%%writefile``); empty for the notebook itself."""
    label: str = ""
    """The name, told apart from an earlier file of that name."""
    written: tuple[Notebook, ...] = ()
    """The Python files that the notebook writes."""

    def locate(self, line: int) -> tuple[int, int]:
        """(cell, line in the cell) of a 1-based line of :attr:`python`."""
        if not self._starts:
            return 0, 1
        place = max(0, bisect_right(self._starts, line) - 1)
        return self.cells[place].index, max(1, line - self._starts[place])

    def left_of(self, cell: int, line: int) -> int:
        """How many characters stand left of what :attr:`python` has of a line of a cell."""
        return self._magics.left_of(cell, line)

    def line_of(self, cell: int, line: int) -> int:
        """The 1-based line of :attr:`python` for a line of a cell; the inverse of :meth:`locate`."""
        return self._starts[self._places[cell]] + line

    def has(self, cell: int) -> bool:
        """Whether a cell, by its index, belongs to :attr:`python`."""
        return cell in self._places

    @cached_property
    def _places(self) -> dict[int, int]:
        """The place of each cell in :attr:`cells`, by its index."""
        return {cell.index: place for place, cell in enumerate(self.cells)}

    def lines(self, cell: int) -> tuple[str, ...]:
        """The original lines of a code cell, without their ends."""
        code = self.text.cell(cell)
        return tuple(line.rstrip("\r\n") for line in LINE.findall(code.text if code else ""))

    def install_lines(self) -> tuple[InstallLine, ...]:
        """Commands that install packages, from ``!``, ``%`` and shell cells, in order."""
        groups: list[list[tuple[int, int, str]]] = []
        kept = sorted(self._magics.kept, key=lambda m: (m.cell, m.line))
        for magic in kept:
            last = groups[-1][-1] if groups else None
            if last and last[:2] == (magic.cell, magic.line - 1) and last[2].endswith("\\"):
                groups[-1].append((magic.cell, magic.line, magic.text))
            else:
                groups.append([(magic.cell, magic.line, magic.text)])
        commands = [InstallLine(g[0][0], g[0][1], "\n".join(text for _, _, text in g)) for g in groups]
        return tuple(c for c in commands if _installs(c.text.replace("\\\n", " ")))

    def magic_lines(self) -> tuple[tuple[int, int, str], ...]:
        """(cell, line, original text) of every line that was replaced."""
        return tuple((m.cell, m.line, m.text) for m in self._magics.kept)

    def rebuild(
        self, python: str, installs: Mapping[tuple[int, int], str], written: Mapping[str, str] | None = None
    ) -> bytes:
        """The bytes of the notebook after edits to :attr:`python`.

        ``installs`` maps (cell, line) of an :class:`InstallLine` to its new text, of as many
        lines; ``written`` maps labels of files that the notebook writes to their new text.
        Raises :class:`NotLossless` when a marker or a magic is gone.
        """
        edits = {
            (cell, line + i): part
            for (cell, line), text in installs.items()
            for i, part in enumerate(text.split("\n"))
        }
        new = {self: python, **{f: written[f.label] for f in self.written if written and f.label in written}}
        if not edits and all(text == part.python for part, text in new.items()):
            return self.text.data
        bodies = {part: part._bodies(text) for part, text in new.items()}
        texts = {i: t for part in new for i, t in part._texts(bodies[part], edits).items()}
        rebuilt = self.text.replaced(texts)
        again = load_notebook(rebuilt)
        for part in new:
            part._check(again, bodies[part])
        return rebuilt

    def _texts(self, bodies: Mapping[int, str], edits: Mapping[tuple[int, int], str]) -> dict[int, str]:
        """The new text of every cell, magics back in place."""
        numbers = [n for body in bodies.values() for n in self._magics.numbers(body)]
        if sorted(numbers) != list(range(len(self._magics.kept))):
            raise NotLossless("an IPython magic was lost by the edit")
        texts = {}
        unchanged = self._bodies(self.python) if self._magics.indented else {}
        for cell in self.cells:
            if cell.index in self._magics.indented:
                if bodies[cell.index] != unchanged[cell.index] or any(at == cell.index for at, _ in edits):
                    raise NotLossless(f"cell {cell.index + 1} of the notebook begins with an indentation")
                texts[cell.index] = cell.text
                continue
            texts[cell.index] = self._magics.restore(bodies[cell.index], edits)
            if not cell.text.endswith(("\n", "\r")):
                texts[cell.index] = _without_last_newline(texts[cell.index])
        return texts

    def _bodies(self, python: str) -> dict[int, str]:
        """The Python text of every cell after an edit.

        Code that the edit put before the first cell, into a cell that holds no Python, or above
        the magics that begin a cell (an install, ``%%time``) moves to where it can run.
        """
        markers = [m for m in _MARKER_LINE.finditer(python) if m[1] == self._marker]
        if [int(m[2]) for m in markers] != [cell.index for cell in self.cells]:
            raise NotLossless("a cell boundary was lost by the edit")
        carried = LINE.findall(python[: markers[0].start()] if markers else python)
        ends = [*(m.start() for m in markers), len(python)][1:]
        before = LINE.findall(self.python)
        bodies: dict[int, str] = {}
        for place, (match, end) in enumerate(zip(markers, ends, strict=True)):
            cell = self.cells[place].index
            lines = LINE.findall(python[match.end() : end])
            if cell in self._magics.hidden:
                replaced = [line for line in lines if not line.strip() or self._magics.is_replaced(line)]
                carried += [line for line in lines if line.strip() and not self._magics.is_replaced(line)]
                bodies[cell] = "".join(replaced)
                continue
            last = self._starts[place + 1] - 1 if place + 1 < len(self._starts) else len(before)
            head = self._head(before[self._starts[place] : last])
            bodies[cell] = "".join(_below(head, carried, lines))
            carried = []
        if "".join(carried).strip():
            raise NotLossless("the edit put code where no cell can hold it")
        return bodies

    def _head(self, lines: list[str]) -> list[str]:
        """The lines of a cell up to the last of the magics that it begins with."""
        end = 0
        for index, line in enumerate(lines):
            if self._magics.is_replaced(line) and line.lstrip().startswith("pass"):
                end = index + 1
            elif line.strip() and not line.lstrip().startswith("#"):
                break
        return lines[:end]

    def _check(self, whole: Notebook, bodies: Mapping[int, str]) -> None:
        """The result, read again, must be the very text that the edit asked for."""
        again = next((p for p in (whole, *whole.written) if p.label == self.label), None)
        if again is None or [c.index for c in again.cells] != [c.index for c in self.cells]:
            raise NotLossless("the edit does not survive in the notebook")
        lines = LINE.findall(again.python)
        starts = (*again._starts, len(lines) + 1)
        for place, cell in enumerate(again.cells):
            read_back = "".join(lines[starts[place] : starts[place + 1] - 1])
            expected = bodies[cell.index]
            if again._magics.without_numbers(read_back).rstrip("\r\n") != self._magics.without_numbers(
                expected
            ).rstrip("\r\n"):
                raise NotLossless(f"the edit does not survive in cell {cell.index + 1} of the notebook")


def _installs(text: str) -> bool:
    """Whether any line, up to its comment, names an installer and after it what installers do."""
    parts = re.split(r"[\n#]", text)
    return any((tool := _INSTALLER.search(part)) and _INSTALLS.search(part, tool.end()) for part in parts)


def _without_last_newline(text: str) -> str:
    return text.removesuffix("\n").removesuffix("\r") if text.endswith("\r\n") else text.removesuffix("\n")


def _below(head: list[str], carried: list[str], lines: list[str]) -> list[str]:
    """A cell's lines with ``carried``, and what an edit put above ``head``, moved below it."""
    for index in range(len(lines) - len(head) + 1):
        if lines[index : index + len(head)] == head:
            return [*head, *carried, *lines[:index], *lines[index + len(head) :]]
    return [*carried, *lines]


def load_notebook(data: bytes) -> Notebook:
    """Make Python texts of a notebook. Raises :class:`Unreadable`."""
    text = read_notebook(data)
    everything = "\n".join(cell.text for cell in text.cells)
    marker = _unused("dpmigrate: cell", everything)
    tag = _unused("dpmigrate-magic", everything)
    run_here, files = apart(text.cells)
    written = [_joined(text, f.cells, marker, Magics(tag), f.name, f.label) for f in files]
    return replace(_joined(text, run_here, marker, Magics(tag)), written=tuple(written))


def _joined(
    text: NotebookText,
    cells: Sequence[CodeCell],
    marker: str,
    magics: Magics,
    name: str = "",
    label: str = "",
) -> Notebook:
    """Some cells as one Python text; those of a written file have no magic but their first line."""
    parts: list[str] = []
    starts: list[int] = []
    broken: list[BrokenCell] = []
    line = 1
    for cell in cells:
        lines = LINE.findall(cell.text)
        read = _file_content if name else _python
        body, fault = read(magics, cell.index, lines)
        if fault is not None and not cell.is_foreign:
            broken.append(fault)
        if body and not body[-1].endswith(("\n", "\r")):
            body[-1] += "\n"
        starts.append(line)
        parts.append(f'"{marker} {cell.index}"\n')
        parts += body
        line += 1 + len(body)
    python = "".join(parts)
    return Notebook(text, tuple(cells), python, tuple(broken), marker, magics, tuple(starts), name, label)


def _file_content(magics: Magics, cell: int, lines: list[str]) -> tuple[list[str], BrokenCell | None]:
    """The lines of a cell that writes a file, as Python, and what is wrong with it when hidden."""
    before = len(magics.kept)
    first = first_line(lines)
    body = [*lines[:first], *magics.hide_line(cell, first, lines[first]), *lines[first + 1 :]]
    fault = _fault(cell, body)
    if fault is None:
        return body, None
    magics.forget(cell, before)
    return magics.hide(cell, lines), fault


def _python(magics: Magics, cell: int, lines: list[str]) -> tuple[list[str], BrokenCell | None]:
    """The cell's lines as Python, and what is wrong with it when it had to be hidden."""
    before = len(magics.kept)
    body = magics.neutralise(cell, lines)
    fault = _fault(cell, body)
    if fault is None:
        return body, None
    for otherwise in (magics.hide_automagic, magics.take_indentation):
        magics.forget(cell, before)
        retried = otherwise(cell, lines)
        if retried is not None:
            again = magics.neutralise(cell, retried)
            if _fault(cell, again) is None:
                return again, None
    magics.forget(cell, before)
    return magics.hide(cell, lines), fault


def _fault(cell: int, lines: list[str]) -> BrokenCell | None:
    """Why the lines are no Python, or None."""
    wrong = _refused("".join(lines))
    return None if wrong is None else BrokenCell(cell, wrong[0], f"syntax error: {wrong[1]}")


@lru_cache(maxsize=20_000)
def _refused(text: str) -> tuple[int, str] | None:
    """Where a text is no Python, and why; a fix reads the cells that it leaves alone once more."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except SyntaxError as error:
        return max(1, error.lineno or 1), error.msg
    except (ValueError, RecursionError, MemoryError) as error:
        return 1, "too deeply nested" if not isinstance(error, ValueError) else str(error)
    return None


def _unused(word: str, text: str) -> str:
    """``word``, lengthened until the text does not contain it."""
    while word in text:
        word += "'"
    return word
