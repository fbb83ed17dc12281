"""conda's environment.yml: ``- opacus=1.5`` and the ``- pip:`` list inside it.

Read by lines and indentation: of YAML, such files use block lists of plain or quoted strings only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from dpmigrate.model import NotAnalysed

from ..decoding import line_at, lines_of
from ..pin import Include, Parsed, Pin, parse_requirement, versions_of_url
from ..releases import VersionSet
from ..specifiers import Dialect, parse_specifier
from .requirements import read_include

_TOP_LEVEL = re.compile(r"(?P<key>[A-Za-z_][\w-]*)\s*:")
_ITEM = re.compile(r"(?P<indent>\s*)-\s+(?P<rest>.*)$")
_QUOTED = re.compile(r"(?P<quote>[\"'])(?P<content>.*?)(?P=quote)\s*(?:#.*)?$")
_COMMENT = re.compile(r"\s#.*$")
_MATCH_NAME = re.compile(r"\s*(?:[\w./:-]+::)?opacus(?![\w.-])\s*", re.I)
_BRACKET = re.compile(r"\[version=(?P<quote>['\"]?)(?P<version>[^'\"\]]+)(?P=quote)\]")
_WITH_BUILD = re.compile(
    r"(?P<spec>==?\s*[^\s=<>!~,|]+)(?:=[^\s=,|]+)$|(?P<plain>\d[^\s,|<>=!]*)(?:\s+\S+)?$"
)


@dataclass(frozen=True, slots=True)
class _Item:
    """A list item: its string, the string's offset, and whether it stands in the pip list."""

    content: str
    start: int
    pip: bool


def parse(path: str, text: str) -> Parsed:
    """The pins of a conda environment file. Other YAML has no ``dependencies:`` list and yields nothing."""
    pins: list[Pin] = []
    includes: list[Include] = []
    problems: list[NotAnalysed] = []
    for item in _items(text):
        if item.pip and (include := read_include(path, item.content, path)):
            includes.append(include)
        elif re.search(r"\bopacus\b", item.content, re.I):
            try:
                pin = _pip_pin(path, text, item) if item.pip else _conda_pin(path, text, item)
            except ValueError as error:
                problems.append(NotAnalysed(path, line_at(text, item.start), str(error)))
                continue
            if pin is not None:
                pins.append(pin)
    return Parsed(tuple(pins), tuple(includes), tuple(problems))


def _pip_pin(path: str, text: str, item: _Item) -> Pin | None:
    requirement = parse_requirement(item.content)
    if requirement is None:
        url = re.match(r"(?:-e\s+)?(?P<url>git\+\S+)", item.content.strip())
        if url and re.search(r"egg=opacus\b|/opacus(?:\.git)?(?:[@#]|$)", url["url"], re.I):
            versions, git = versions_of_url(url["url"])
            return _pin(path, text, item, versions, "pep440", git)
        if re.match(r"opacus\s*[\[=<>!~@;(]", item.content.strip(), re.I):
            raise ValueError(f"not a requirement: {item.content.strip()}")
        return None
    line = line_at(text, item.start)
    return requirement.pin(path, line, item.content.strip(), "conda", path, item.start)


def conda_specifier(content: str) -> tuple[str, int, int] | None:
    """Read a conda match spec on Opacus: ``conda-forge::opacus=1.5.2=build``, ``opacus[version='>=1.5']``.

    Returns what it says of the version, and the offsets of that with the build string, which names a build
    of that one version; None where the spec is of something else.
    """
    match = _MATCH_NAME.match(content)
    if match is None:
        return None
    written, start = content[match.end() :].rstrip(), match.end()
    if bracket := _BRACKET.fullmatch(written):
        written, start = bracket["version"], start + bracket.start("version")
    elif "[" in written:
        return None
    if not written:
        start = len(content[:start].rstrip())
    build = _WITH_BUILD.fullmatch(written)
    wanted = (build["spec"] or build["plain"]) if build else written
    return wanted.strip(), start, start + len(written)


def _conda_pin(path: str, text: str, item: _Item) -> Pin | None:
    located = conda_specifier(item.content)
    if located is None:
        return None
    specifier, first, last = located
    span = (item.start + first, item.start + last)
    pin = _pin(path, text, item, parse_specifier(specifier, "conda"), "conda", None)
    return replace(pin, specifier=specifier, span=span)


def _pin(path: str, text: str, item: _Item, versions: VersionSet, dialect: Dialect, git: str | None) -> Pin:
    return Pin(
        path=path,
        line=line_at(text, item.start),
        text=item.content.strip(),
        kind="conda",
        environment=path,
        versions=versions,
        dialect=dialect,
        git=git,
    )


def _items(text: str) -> Iterator[_Item]:
    """The items of the ``dependencies`` list and of the ``pip`` list inside it."""
    inside, pip_indent = False, -1
    position = 0
    for raw in lines_of(text):
        start, position = position, position + len(raw)
        line = raw.rstrip("\r\n")
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if top := _TOP_LEVEL.match(line):
            inside, pip_indent = top["key"] == "dependencies", -1
            continue
        item = _ITEM.match(line)
        if not inside or item is None:
            continue
        indent = len(item["indent"])
        if pip_indent >= 0 and indent <= pip_indent:
            pip_indent = -1
        if re.match(r"pip\s*:", item["rest"]):
            pip_indent = indent
            continue
        quoted = _QUOTED.match(item["rest"])
        offset = start + item.start("rest")
        if quoted:
            yield _Item(quoted["content"], offset + quoted.start("content"), pip_indent >= 0)
        else:
            yield _Item(_COMMENT.sub("", item["rest"]).rstrip(), offset, pip_indent >= 0)
