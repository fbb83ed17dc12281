"""Installs in notebook cells: ``!pip install opacus==1.5.2``, ``%pip``, ``%%bash``, ``!conda install``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from dpmigrate.model import NotAnalysed
from dpmigrate.workspace.magics import is_statement

from ..decoding import line_at
from ..pin import Parsed, Pin
from .installs import install_pin, installs_of, joined_lines

_SHELL_CELL = re.compile(r"\s*%%(?:bash|sh|script|system|!)\b")
_OTHER_CELL_MAGIC = re.compile(r"\s*%%(?!capture|time\b|timeit)")
_LINE = re.compile(r"[ \t]*(?:!{1,2}|%(?=(?:pip|conda|mamba|uv|sx|system)\b))(?:sx\s+|system\s+)?")
_AUTOMAGIC = re.compile(r"(?=(?:pip3?|conda|mamba|uv)[ \t]+[a-z])")
"""A command without any sign, which IPython takes where it is no Python."""


def parse_cells(path: str, cells: Iterable[tuple[int, str]]) -> Parsed:
    """The pins in a notebook's code cells, given as (0-based index, source), in order of execution."""
    pins: list[Pin] = []
    problems: list[NotAnalysed] = []
    for cell, source in cells:
        if "opacus" not in source.lower():
            continue
        for command, offset in _commands(source):
            for install in installs_of(command, offset):
                try:
                    pin = install_pin(path, source, install, "notebook", cell)
                except ValueError as error:
                    line = line_at(source, install.word.start)
                    problems.append(NotAnalysed(path, line, str(error), cell))
                    continue
                if pin is not None:
                    pins.append(pin)
    return Parsed(tuple(pins), (), tuple(problems))


_CALLED = re.compile(
    r"""^([ \t]*)get_ipython\(\)\.(?:system|run_line_magic)\(u?(["'])(.*)\2[ \t]*\)[ \t]*$""", re.MULTILINE
)
_BETWEEN = re.compile(r"""["'][ \t]*,[ \t]*u?["']""")


def parse_export(path: str, text: str) -> Parsed:
    """The pins in a notebook that was exported as Python, for which there is nothing to edit."""

    def command(match: re.Match[str]) -> str:
        return f"{match[1]}!{_BETWEEN.sub(' ', match[3])}"

    parsed = parse_cells(path, [(0, _CALLED.sub(command, text))])
    pins = [replace(pin, cell=None, span=None, shell_word=None) for pin in parsed.pins]
    return Parsed(tuple(pins), (), tuple(problem._replace(cell=None) for problem in parsed.problems))


def _commands(source: str) -> Iterator[tuple[str, int]]:
    """(shell command, its offset) for every line of a cell that goes to a shell."""
    shell_cell = _SHELL_CELL.match(source) is not None
    if not shell_cell and _OTHER_CELL_MAGIC.match(source):
        return
    automagic = re.search(rf"^{_AUTOMAGIC.pattern}", source, re.MULTILINE) and not is_statement(source)
    for start, line in joined_lines(source):
        if shell_cell:
            if not line.lstrip().startswith(("#", "%%")):
                yield line, start
        elif prefix := _LINE.match(line) or (automagic and _AUTOMAGIC.match(line)):
            yield line[prefix.end() :], start + prefix.end()
