"""Pipfile: ``[packages]``, ``[dev-packages]`` and custom categories."""

from __future__ import annotations

import posixpath

from dpmigrate.model import NotAnalysed

from ..decoding import line_at
from ..pin import Parsed, Pin
from .toml_tables import entries, entry_pin
from .toml_text import TomlError, toml_strings

_OTHER_TABLES = frozenset({"source", "requires", "scripts", "pipenv", "build-system"})


def pipenv_environment(path: str) -> str:
    """Pipfile and Pipfile.lock of one folder are one environment."""
    return f"{posixpath.dirname(path)}#pipenv"


def parse(path: str, text: str) -> Parsed:
    """The pins of a Pipfile."""
    try:
        strings = toml_strings(text)
    except TomlError as error:
        return Parsed(problems=(NotAnalysed(path, error.line, str(error)),))
    pins: list[Pin] = []
    problems: list[NotAnalysed] = []
    for table in dict.fromkeys(s.keys[0] for s in strings):
        if table in _OTHER_TABLES:
            continue
        variant = "" if table == "packages" else f"group {table}"
        for entry in entries(strings, (table,)):
            try:
                pin = entry_pin(path, text, entry, "pipfile", pipenv_environment(path), variant, "pep440")
            except ValueError as error:
                problems.append(NotAnalysed(path, line_at(text, entry.first.start), str(error)))
                continue
            if pin is not None:
                pins.append(pin)
    return Parsed(tuple(pins), (), tuple(problems))
