"""Installs in notebook cells: ``!pip install opacus==1.5.2``, ``%pip``, ``%%bash``, ``!conda install``.

The commands go through a shell, so words are split as a shell does it: an unquoted ``opacus>=1.5`` installs
plain Opacus and writes to a file named ``=1.5``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from dpmigrate.model import NotAnalysed

from ..decoding import line_at, lines_of
from ..pin import Parsed, Pin, parse_requirement, versions_of_url
from ..releases import everything
from ..specifiers import Dialect, parse_specifier
from .conda_environment import conda_specifier

_SHELL_CELL = re.compile(r"\s*%%(?:bash|sh|script|system|!)\b")
_OTHER_CELL_MAGIC = re.compile(r"\s*%%(?!capture|time\b|timeit)")
_LINE = re.compile(r"[ \t]*(?:!{1,2}|%(?=(?:pip|conda|mamba|uv|sx|system)\b))(?:sx\s+|system\s+)?")
_INSTALL = re.compile(
    r"(?:\S*\bpython[\d.]*\s+-m\s+|\{sys\.executable\}\s+-m\s+|\$?\{?sys\.executable\}?\s+-m\s+|sudo\s+)*"
    r"(?P<tool>uv\s+pip|\S*\bpip[\d.]*|conda|mamba|micromamba)\s+(?:-\S+\s+)*install\b"
)
_WORD = re.compile(r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|\\.|[^\s"'\\;&|])+|&&|\|\||[;&|]""", re.S)
_VALUE_OPTION = re.compile(
    r"-[cfinprt]|--(?:channel|constraint|requirement|index-url|extra-index-url|find-links|target|name|prefix|python)"
)


@dataclass(frozen=True, slots=True)
class _Word:
    """A word of a shell command: as written, its content, the content's offset, whether it is quoted."""

    raw: str
    content: str
    start: int
    raw_start: int
    quoted: bool


def parse_cells(path: str, cells: Iterable[tuple[int, str]]) -> Parsed:
    """The pins in a notebook's code cells, given as (0-based index, source), in order of execution."""
    pins: list[Pin] = []
    problems: list[NotAnalysed] = []
    for cell, source in cells:
        if "opacus" not in source.lower():
            continue
        for command, offset in _commands(source):
            for tool, upgrade, word in _installed(command, offset):
                try:
                    pin = _pin(path, cell, source, tool, upgrade, word)
                except ValueError as error:
                    problems.append(NotAnalysed(path, line_at(source, word.start), str(error), cell))
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
    for start, line in _joined_lines(source):
        if shell_cell:
            if not line.lstrip().startswith(("#", "%%")):
                yield line, start
        elif prefix := _LINE.match(line):
            yield line[prefix.end() :], start + prefix.end()


def _joined_lines(source: str) -> Iterator[tuple[int, str]]:
    """Lines with backslash continuations joined, the marks turned into spaces."""
    position, pending, pending_start = 0, "", 0
    for raw in lines_of(source):
        if not pending:
            pending_start = position
        position += len(raw)
        bare = raw.rstrip("\r\n")
        if bare.endswith("\\") and raw != bare:
            pending += bare[:-1] + " " * (len(raw) - len(bare) + 1)
            continue
        yield pending_start, pending + bare
        pending = ""
    if pending:
        yield pending_start, pending


def _installed(command: str, offset: int) -> Iterator[tuple[str, bool, _Word]]:
    """(tool, whether it upgrades, word) for every word that an install command installs."""
    words: list[_Word] = []
    simple: list[list[_Word]] = [words]
    position = 0
    for match in _WORD.finditer(command):
        if command[position : match.start()].strip():
            return  # a quote without its partner, which no shell takes
        position = match.end()
        if match[0] in ("&&", "||", ";", "&", "|"):
            words = []
            simple.append(words)
        elif match[0].startswith("#"):
            break
        else:
            words.append(_word(match, offset))
    for words in simple:
        if not words:
            continue
        begin = words[0].raw_start - offset
        install = _INSTALL.match(command, begin)
        if install is None:
            continue
        arguments = [w for w in words if w.raw_start - offset >= install.end()]
        upgrade = any(w.content in ("-U", "--upgrade", "--force-reinstall") for w in arguments)
        value = False
        for word in arguments:
            if not value and not word.content.startswith("-"):
                yield install["tool"], upgrade, word
            value = _VALUE_OPTION.fullmatch(word.content) is not None


def _word(match: re.Match[str], offset: int) -> _Word:
    raw = match[0]
    start = offset + match.start()
    if len(raw) > 1 and raw[0] in "\"'" and raw[-1] == raw[0] and raw.count(raw[0]) == 2:
        return _Word(raw, raw[1:-1], start + 1, start, True)
    return _Word(raw, raw, start, start, False)


def _pin(path: str, cell: int, source: str, tool: str, upgrade: bool, word: _Word) -> Pin | None:
    """The pin that a word makes. Raises ValueError where it names Opacus and cannot be read."""
    conda = tool.endswith(("conda", "mamba"))
    content, dialect = word.content, "conda" if conda else "pep440"
    if not word.quoted:
        # The shell takes an unquoted < or > for a redirection; quotes in mid-word vanish.
        content = re.split(r"(?<!\\)[<>]", content, maxsplit=1)[0] if '"' not in content else content
        content = content.replace('"', " ").replace("'", " ")
    git: str | None = None
    marker, specifier, versions = "", "", everything()
    span: tuple[int, int] | None = None
    if conda and (located := conda_specifier(content)):
        specifier, first, last = located
        versions, span = parse_specifier(specifier, "conda"), (word.start + first, word.start + last)
    elif requirement := parse_requirement(content.replace("\\", " ")):
        marker, specifier = requirement.marker, requirement.specifier
        versions, git = requirement.admitted()
        span = requirement.span(word.start)
    elif (
        re.search(r"[#&]egg=opacus\b|/opacus(?:\.git)?(?:[@#]|/archive/|$)", content, re.I)
        and "://" in content
    ):
        versions, git = versions_of_url(content)
        git = git if git is not None else content
    elif re.match(r"opacus\s*[=<>!~@\[]", content, re.I):
        raise ValueError(f"not a requirement: {content}")
    else:
        return None
    return Pin(
        path=path,
        line=line_at(source, word.start),
        text=word.content,
        kind="notebook",
        environment=path,
        versions=versions,
        specifier=specifier,
        span=span,
        dialect=_dialect(dialect),
        cell=cell,
        marker=marker,
        git=git,
        tool="--upgrade" if upgrade else None,
        shell_word=None if word.quoted else (word.raw_start, word.raw_start + len(word.raw)),
    )


def _dialect(name: str) -> Dialect:
    return "conda" if name == "conda" else "pep440"
