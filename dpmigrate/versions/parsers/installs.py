"""What shell commands install: ``pip install opacus==1.5.2``, ``conda install``, ``uv pip install``.

Words are split as a shell does it: an unquoted ``opacus>=1.5`` installs plain Opacus and writes to a file
named ``=1.5``. A Python on its own may be asked (``python -m pip``), also by IPython's ``{sys.executable}``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ..decoding import line_at, lines_of
from ..pin import Kind, Pin, parse_requirement, versions_of_url
from ..releases import VersionSet
from ..specifiers import parse_specifier
from .conda_environment import conda_specifier

_INSTALL = re.compile(
    r"(?:\S*\bpython[\d.]*\s+-m\s+|\{sys\.executable\}\s+-m\s+|\$?\{?sys\.executable\}?\s+-m\s+|sudo\s+)*"
    r"(?P<tool>uv\s+pip|\S*\bpip[\d.]*|conda|mamba|micromamba)\s+(?:-\S+\s+)*install\b"
)
_WORD = re.compile(r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|\\.|[^\s"'\\;&|])+|&&|\|\||[;&|]""", re.S)
_VALUE_OPTION = re.compile(
    r"-[cfinprt]|--(?:channel|constraint|requirement|index-url|extra-index-url|find-links|target|name|prefix|python)"
)


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a shell command: as written, its content, the content's offset, whether it is quoted."""

    raw: str
    content: str
    start: int
    raw_start: int
    quoted: bool


@dataclass(frozen=True, slots=True)
class Install:
    """A word that a command installs: the program that does it, and whether it replaces what is there."""

    tool: str
    upgrade: bool
    word: Word


def joined_lines(source: str) -> Iterator[tuple[int, str]]:
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


def installs_of(command: str, offset: int) -> Iterator[Install]:
    """Every word that a command line, which stands at ``offset``, installs."""
    words: list[Word] = []
    simple: list[list[Word]] = [words]
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
                yield Install(install["tool"], upgrade, word)
            value = _VALUE_OPTION.fullmatch(word.content) is not None


def _word(match: re.Match[str], offset: int) -> Word:
    raw = match[0]
    start = offset + match.start()
    if len(raw) > 1 and raw[0] in "\"'" and raw[-1] == raw[0] and raw.count(raw[0]) == 2:
        return Word(raw, raw[1:-1], start + 1, start, True)
    return Word(raw, raw, start, start, False)


def install_pin(path: str, source: str, install: Install, kind: Kind, cell: int | None = None) -> Pin | None:
    """The pin that an installed word of ``source`` makes; None where it is of something else.

    Raises ValueError where it names Opacus and cannot be read.
    """
    tool, word = install.tool, install.word
    conda = tool.endswith(("conda", "mamba"))
    content = word.content
    if not word.quoted:
        # The shell takes an unquoted < or > for a redirection; quotes in mid-word vanish.
        content = re.split(r"(?<!\\)[<>]", content, maxsplit=1)[0] if '"' not in content else content
        content = content.replace('"', " ").replace("'", " ")
    asked = _asked(content, word.start, conda)
    if asked is None:
        return None
    return Pin(
        path=path,
        line=line_at(source, word.start),
        text=word.content,
        kind=kind,
        environment=path,
        versions=asked.versions,
        specifier=asked.specifier,
        span=asked.span,
        dialect="conda" if conda else "pep440",
        cell=cell,
        marker=asked.marker,
        git=asked.git,
        tool="--upgrade" if install.upgrade else None,
        shell_word=None if word.quoted else (word.raw_start, word.raw_start + len(word.raw)),
    )


class _Asked(NamedTuple):
    """What a word asks of Opacus."""

    versions: VersionSet
    git: str | None = None
    specifier: str = ""
    span: tuple[int, int] | None = None
    marker: str = ""


def _asked(content: str, start: int, conda: bool) -> _Asked | None:
    """What the content of a word that begins at ``start`` asks; None where it is of something else.

    Raises ValueError where it names Opacus and cannot be read.
    """
    if conda and (located := conda_specifier(content)):
        specifier, first, last = located
        versions = parse_specifier(specifier, "conda")
        return _Asked(versions, specifier=specifier, span=(start + first, start + last))
    if requirement := parse_requirement(content.replace("\\", " ")):
        versions, git = requirement.admitted()
        return _Asked(versions, git, requirement.specifier, requirement.span(start), requirement.marker)
    of_opacus = re.search(r"[#&]egg=opacus\b|/opacus(?:\.git)?(?:[@#]|/archive/|$)", content, re.I)
    if of_opacus and "://" in content:
        versions, git = versions_of_url(content)
        return _Asked(versions, git if git is not None else content)
    if re.match(r"opacus\s*[=<>!~@\[]", content, re.I):
        raise ValueError(f"not a requirement: {content}")
    return None
