"""METADATA of an unpacked wheel and PKG-INFO of an sdist: what a built package requires.

A build wrote it, so it is read and never edited; where the project's own files name Opacus too, it says
nothing new. Format: https://packaging.python.org/en/latest/specifications/core-metadata/
"""

from __future__ import annotations

import posixpath
import re

from dpmigrate.model import NotAnalysed

from ..decoding import line_at
from ..pin import Parsed, Pin, parse_requirement
from .pyproject import project_environment

_REQUIRES = re.compile(r"^Requires-Dist:[ \t]*(?P<requirement>opacus(?![\w.-])[^\r\n]*)", re.M | re.I)
_BODY = re.compile(r"\r?\n\r?\n")


def parse(path: str, text: str) -> Parsed:
    """The requirements on Opacus among the headers."""
    end = _BODY.search(text)
    pins: list[Pin] = []
    problems: list[NotAnalysed] = []
    for match in _REQUIRES.finditer(text, 0, end.start() if end else len(text)):
        line = line_at(text, match.start())
        written = match["requirement"].strip()
        # The form of metadata before 2.1 has its specifier in brackets: opacus (>=1.4).
        requirement = parse_requirement(re.sub(r"\((?P<inner>[^)]*)\)", r"\g<inner>", written, count=1))
        try:
            if requirement is None:
                raise ValueError(f"not a requirement: {written}")
            pins.append(requirement.pin(path, line, written, "metadata", _environment(path), None))
        except ValueError as error:
            problems.append(NotAnalysed(path, line, str(error)))
    return Parsed(tuple(pins), (), tuple(problems))


def _environment(path: str) -> str:
    """The folder that a wheel was unpacked into, or the one that PKG-INFO stands in."""
    folder = posixpath.dirname(path)
    return project_environment(folder if folder.endswith(".dist-info") else path)
