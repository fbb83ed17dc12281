"""One module for each format; `parse_file` chooses by the file's name.

``requirements``, ``pipfile``, ``conda_environment``   lists of requirements
``pyproject``, ``setup_cfg``, ``setup_py``, ``metadata``   what a package says of itself
``locks``        lock files
``installs``, ``shell``, ``notebook``, ``script``   commands that install; where they and their kin stand
``toml_text``, ``toml_tables``   strings of TOML with their places

Every parser is ``parse(path, text) -> Parsed``: it reads, never resolves, never raises for what a file
holds. Offsets are into ``text``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module

from dpmigrate.model import NotAnalysed
from dpmigrate.workspace.errors import own_error

from ..decoding import decode, mentions_opacus
from ..pin import Parsed

_MODULES = (
    (re.compile(r"(?:^|/)(?:pyproject|pixi)\.toml$", re.I), "pyproject"),
    (re.compile(r"(?:^|/)setup\.cfg$", re.I), "setup_cfg"),
    (re.compile(r"(?:^|/)setup\.py$", re.I), "setup_py"),
    (re.compile(r"(?:^|/)Pipfile$", re.I), "pipfile"),
    (re.compile(r"(?:\.lock|/pylock[^/]*\.toml|^pylock[^/]*\.toml|conda-lock\.ya?ml)$", re.I), "locks"),
    (re.compile(r"(?:^|/)(?:[^/]+\.dist-info/METADATA|PKG-INFO)$"), "metadata"),
    (re.compile(r"(?:\.sh|makefile|\.mk|(?:docker|container)file(?:[.-](?!py$)[^/]*)?)$", re.I), "shell"),
    (re.compile(r"\.ya?ml$", re.I), "conda_environment"),
    (re.compile(r"\.(?:txt|in|pip)$", re.I), "requirements"),
)


def parser_for(path: str) -> Callable[[str, str], Parsed] | None:
    """The parser for a POSIX path, by its name; None where no format is known."""
    for pattern, module in _MODULES:
        if pattern.search(path):
            parse: Callable[[str, str], Parsed] = import_module(f"{__name__}.{module}").parse
            return parse
    return None


def parse_file(path: str, data: bytes) -> Parsed:
    """Read one dependency file. Files that do not name Opacus are not parsed and yield nothing."""
    return _parsed(path, data) if mentions_opacus(data) else Parsed()


def includes_in(path: str, data: bytes) -> set[str]:
    """The files that a dependency file includes, whatever it names; paths beside its own."""
    return {include.path for include in _parsed(path, data).includes}


def _parsed(path: str, data: bytes) -> Parsed:
    parse = parser_for(path)
    if parse is None:
        return Parsed()
    try:
        text = decode(data).text
    except UnicodeDecodeError as error:
        return Parsed(problems=(NotAnalysed(path, 1, f"not valid {error.encoding} text"),))
    try:
        return parse(path, text)
    except Exception as error:
        return Parsed(problems=(NotAnalysed(path, 1, own_error(error)),))
