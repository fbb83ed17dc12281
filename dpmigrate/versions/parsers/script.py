"""Inline metadata of a script (PEP 723), which ``uv run`` and ``pipx run`` install for it alone."""

from __future__ import annotations

import re
from dataclasses import replace

from dpmigrate.model import NotAnalysed

from ..decoding import line_at
from ..pin import Parsed, Pin
from .pyproject import requirement_pin
from .toml_text import TomlError, toml_strings

_BLOCK = re.compile(r"^# /// script[ \t]*\r?\n(?P<toml>(?:#(?:| [^\r\n]*)\r?\n)+?)# ///[ \t]*\r?$", re.M)
_COMMENT_MARK = re.compile(r"^# ?", re.M)


def parse(path: str, text: str) -> Parsed:
    """The pins among the dependencies of a script's metadata."""
    block = _BLOCK.search(text)
    if block is None or "opacus" not in block["toml"].lower():
        return Parsed()
    # Of the same length, so that what is found in it stands where it stands in the script.
    toml = _COMMENT_MARK.sub(lambda mark: " " * len(mark[0]), block["toml"])
    start = block.start("toml")
    first_line = line_at(text, start)
    try:
        strings = toml_strings(toml)
    except TomlError as error:
        return Parsed(problems=(NotAnalysed(path, first_line + error.line - 1, str(error)),))
    pins: list[Pin] = []
    problems: list[NotAnalysed] = []
    for string in strings:
        if len(string.keys) != 2 or string.keys[0] != "dependencies":
            continue
        try:
            pin = requirement_pin(path, toml, string, "")
        except ValueError as error:
            line = first_line + line_at(toml, string.start) - 1
            problems.append(NotAnalysed(path, line, str(error)))
            continue
        if pin is not None:
            span = None if pin.span is None else (start + pin.span[0], start + pin.span[1])
            line = first_line + pin.line - 1
            pins.append(replace(pin, kind="script", environment=path, line=line, span=span))
    return Parsed(tuple(pins), (), tuple(problems))
