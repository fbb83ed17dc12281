"""setup.cfg: ``install_requires`` and ``[options.extras_require]``, as setuptools reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dpmigrate.model import NotAnalysed

from ..decoding import line_at, lines_of
from ..pin import Parsed, Pin, parse_requirement
from .pyproject import project_environment

_SECTION = re.compile(r"\[([^\]]+)\]")
_OPTION = re.compile(r"(?P<key>[^\s=:\[#;][^=:]*)[=:](?P<value>.*)$")
_INLINE_COMMENT = re.compile(r"(?:^|\s)#.*$")
_NAMES_OPACUS = re.compile(r"\s*opacus\b(?![.-])", re.I)


def parse(path: str, text: str) -> Parsed:
    """The pins of a setup.cfg."""
    pins: list[Pin] = []
    problems: list[NotAnalysed] = []
    for variant, piece, start in _requirements(text):
        if not _NAMES_OPACUS.match(piece):
            continue
        line = line_at(text, start)
        requirement = parse_requirement(piece)
        try:
            if requirement is None:
                raise ValueError(f"not a requirement: {piece.strip()}")
            environment = project_environment(path)
            pins.append(requirement.pin(path, line, piece.strip(), "setup.cfg", environment, start, variant))
        except ValueError as error:
            problems.append(NotAnalysed(path, line, str(error)))
    return Parsed(tuple(pins), (), tuple(problems))


def _requirements(text: str) -> Iterator[tuple[str, str, int]]:
    """(variant, requirement without its comment, offset) for every line that lists one."""
    section, variant, inside = "", "", False
    position = 0
    for raw in lines_of(text):
        start, position = position, position + len(raw)
        line = raw.rstrip("\r\n")
        if not line.strip() or line.lstrip().startswith(("#", ";")):
            continue
        if line[0] in " \t":
            if inside:
                yield variant, _INLINE_COMMENT.sub("", line), start
            continue
        inside = False
        if header := _SECTION.match(line):
            section = header[1].strip()
        elif option := _OPTION.match(line):
            key = option["key"].strip()
            if section == "options" and key == "install_requires":
                inside, variant = True, ""
            elif section == "options.extras_require":
                inside, variant = True, f"extra {key}"
            if inside and option["value"].strip():
                yield from _on_one_line(variant, line, start, option.start("value"))


def _on_one_line(variant: str, line: str, start: int, offset: int) -> Iterator[tuple[str, str, int]]:
    """A value beside its key is one list parted by semicolons (so it has no markers)."""
    value = _INLINE_COMMENT.sub("", line[offset:])
    for piece in value.split(";"):
        yield variant, piece, start + offset
        offset += len(piece) + 1
