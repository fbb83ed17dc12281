"""Which file names matter: Python sources, dependency files, and folders that never do."""

from __future__ import annotations

import os
import re

SOURCE_SUFFIXES = (".py", ".ipynb")

_DEPENDENCY = re.compile(
    r"""(?:^|/)(?:
        [^/]*(?:require|constraint)[^/]*\.(?:txt|in)
      | [^/]*requirements?[^/]*/[^/]+\.(?:txt|in)
      | [^/]*\bdep(?:endencie)?s\b[^/]*\.(?:txt|in) | [^/]*freeze[^/]*\.txt
      | pyproject\.toml | pixi\.toml | setup\.cfg | setup\.py
      | Pipfile | Pipfile\.lock
      | (?:[^/]*environment[^/]*|env|conda[^/]*)\.ya?ml
      | (?:conda|envs?|environments?)/[^/]+\.ya?ml
      | (?:[^/]+\.)?(?:docker|container)file(?:[.-](?!py$)[^/]*)? | [^/]+\.sh | (?:gnu)?makefile | [^/]+\.mk
      | env[_.-][^/]*\.ya?ml | [^/]*[_.-]env\.ya?ml
      | [^/]*reqs?\b[^/]*\.(?:txt|in) | reqs?/[^/]+\.(?:txt|in)
      | poetry\.lock | uv\.lock | pdm\.lock | pixi\.lock | pylock(?:\.[^/.]+)?\.toml
      | [^/]+\.dist-info/METADATA | (?<!\.egg-info/)PKG-INFO
    )$""",
    re.VERBOSE | re.IGNORECASE,
)

_DEPENDENCY_SUFFIXES = (".txt", ".in", ".toml", ".cfg", ".yml", ".yaml", ".lock")
_POSSIBLE_ENDS = (*_DEPENDENCY_SUFFIXES, "setup.py", "file", ".sh", ".mk", "/metadata", "pkg-info")

SKIPPED_FOLDERS = frozenset(
    {
        ".git",
        ".hg",
        ".svn",
        ".venv",
        ".tox",
        ".nox",
        "__pycache__",
        ".ipynb_checkpoints",
        "node_modules",
        "site-packages",
    }
)

SKIPPED_PART = re.compile("(?:^|/)(?:" + "|".join(re.escape(name) for name in sorted(SKIPPED_FOLDERS)) + ")/")
"""A folder of :data:`SKIPPED_FOLDERS` anywhere in a POSIX path."""


_LEFTOVER = re.compile(r"\..*\.dpmigrate-(\d+)-[0-9a-f]{16}\.tmp", re.DOTALL)


def temporary_name(base: str, process: int, token: str) -> str:
    """The name of the file beside ``base`` that a process writes before it takes its place."""
    # A name's bytes are bounded, and a character can be four; a part of one would be no UTF-8.
    begins = os.fsencode(base)[:100].decode("utf-8", "ignore")
    return f".{begins}.dpmigrate-{process}-{token}.tmp"


def writer_of(name: str) -> int | None:
    """The process that wrote a file with such a name; None for any other name."""
    match = _LEFTOVER.fullmatch(name) if name.endswith(".tmp") else None
    return int(match[1][:9]) if match else None


def is_source(path: str) -> bool:
    """Whether a path found in a folder is Python source or a notebook (stubs are not)."""
    return path.endswith(SOURCE_SUFFIXES)


def is_dependency_file(path: str) -> bool:
    """Whether a POSIX path, relative or absolute, has the name of a dependency file or a lock."""
    lowered = path.lower()
    possible = lowered.endswith(_POSSIBLE_ENDS) or "dockerfile" in lowered
    return possible and _DEPENDENCY.search(path) is not None


def named_kind(path: str) -> tuple[bool, bool]:
    """(source, dependency file) for a file that the user gave by name.

    A name says what the user wants, so a script without a suffix is Python and any text or
    TOML file is taken for a dependency file.
    """
    dependency = is_dependency_file(path) or path.lower().endswith(_DEPENDENCY_SUFFIXES)
    if is_source(path):
        return True, dependency
    if dependency or path.endswith(".pyi"):
        return False, dependency
    base = path.rsplit("/", 1)[-1]
    return "." not in base.lstrip(".") or base.endswith(".pyw"), False


def path_typed(path: str) -> str:
    """A path as it is typed after a command: no shell reads more in it, and no command an option."""
    import shlex

    return shlex.quote(f"./{path}" if path.startswith("-") else path)
