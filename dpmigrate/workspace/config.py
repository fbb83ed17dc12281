"""``[tool.dpmigrate]`` of one pyproject.toml: read, and held to what it may say."""

from __future__ import annotations

# Part of every start, where importing pathlib is a tenth of the time.
# ruff: noqa: PTH114, PTH120
import os
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, get_args

from dpmigrate.model import STRATEGIES, Certainty, Severity, Strategy
from dpmigrate.workspace.errors import ConfigError
from dpmigrate.workspace.reading import read_bytes, reason_of
from dpmigrate.workspace.roots import Roots

_CHOICES: dict[str, tuple[str, ...]] = {"min-certainty": get_args(Certainty), "strategy": STRATEGIES}
_LISTS = ("select", "ignore", "extend-select", "exclude")
_VERSIONS = ("opacus", "opacus-lower-bound", "target-version", "required-version")
_TABLES = ("per-file-ignores", "severity")
KEYS = (*_LISTS, *_TABLES, *_VERSIONS, *_CHOICES, "seed", "jobs")
"""Every key of the table, in the order in which they are shown."""

_WORD = b"dpmigrate"
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Config(NamedTuple):
    """The options of one file, or of a command line; None or empty where it says nothing.

    Rules are named as they are written: an id, a prefix or a name. Patterns are in gitignore syntax,
    relative to ``folder``.
    """

    path: str | None = None
    """The pyproject.toml; None for a command line and for no configuration at all."""
    shown: str | None = None
    """``path`` as messages show it."""
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    extend_select: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    per_file_ignores: tuple[tuple[str, tuple[str, ...]], ...] = ()
    severity: tuple[tuple[str, Severity], ...] = ()
    opacus: str | None = None
    opacus_lower_bound: str | None = None
    target_version: str | None = None
    required_version: str | None = None
    min_certainty: Certainty | None = None
    strategy: Strategy | None = None
    seed: str | None = None
    jobs: int | None = None
    base: str | None = None
    """The folder that patterns are relative to where that is not the file's own."""

    @property
    def folder(self) -> str | None:
        """The folder that patterns are relative to."""
        return self.base if self.path is None else os.path.dirname(self.path)

    def source(self, key: str) -> str:
        """What messages call the place where ``key`` was said."""
        return f"--{key}" if self.shown is None else f"{self.shown}: [tool.dpmigrate] {key}"


def read_config(path: str, shown: str) -> Config | None:
    """The table of a pyproject.toml; None where the file says nothing of dpmigrate.

    Raises :class:`ConfigError`, naming the file as ``shown``, for one that names dpmigrate and is no
    TOML, an unknown key, or a value of the wrong type.
    """
    table = _table(path, shown)
    if table is None:
        return None
    for key, value in table.items():
        _check(key, value, f"{shown}: [tool.dpmigrate] {key}")
    seed = table.get("seed")
    return Config(
        path,
        shown,
        select=tuple(table.get("select", ())),
        ignore=tuple(table.get("ignore", ())),
        extend_select=tuple(table.get("extend-select", ())),
        exclude=tuple(table.get("exclude", ())),
        per_file_ignores=tuple(
            (pattern, tuple(rules)) for pattern, rules in table.get("per-file-ignores", _NOTHING).items()
        ),
        severity=tuple(table.get("severity", _NOTHING).items()),
        opacus=table.get("opacus"),
        opacus_lower_bound=table.get("opacus-lower-bound"),
        target_version=table.get("target-version"),
        required_version=table.get("required-version"),
        min_certainty=table.get("min-certainty"),
        strategy=table.get("strategy"),
        seed=None if seed is None else str(seed),
        jobs=table.get("jobs"),
    )


def _table(path: str, shown: str) -> dict[str, Any] | None:
    if os.path.islink(path):
        root = Roots().root_of(os.path.dirname(path))
        if not os.path.realpath(path).startswith(root.rstrip("/") + "/"):
            raise ConfigError(f"{shown}: a link out of the project, which is not followed")
    try:
        data = read_bytes(path)
    except OSError as error:
        raise ConfigError(f"{shown}: {reason_of(error)}") from error
    if _WORD not in data:
        return None
    from dpmigrate.workspace.toml import parse_toml

    try:
        document = parse_toml(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{shown}:{line}: not UTF-8, so not TOML") from error
    except (ValueError, RecursionError) as error:  # ValueError also of a number with too many digits
        raise ConfigError(f"{shown}:{_line_of(error, data)}: not valid TOML: {error}") from error
    tool = document.get("tool", {})
    table = tool.get("dpmigrate") if isinstance(tool, dict) else None
    if table is not None and not isinstance(table, dict):
        raise ConfigError(f"{shown}: tool.dpmigrate must be a table")
    return table


def line_of_pattern(config: Config, pattern: str) -> int:
    """The 1-based line on which a configuration says a pattern; 1 where the text does not show it."""
    if config.path is None:
        return 1
    lines = read_bytes(config.path).decode("utf-8-sig", "replace").split("\n")
    first = next((at for at, line in enumerate(lines) if "tool.dpmigrate" in line), 0)
    written = tuple(f"{quote}{sign}{pattern}{quote}" for quote in "\"'" for sign in ("", "!"))
    after = enumerate(lines[first:], first + 1)
    return next((number for number, line in after if any(text in line for text in written)), 1)


def _line_of(error: Exception, data: bytes) -> int:
    """The 1-based line that is no TOML, as far as the parser says."""
    said = re.search(r"line (\d+)", str(error))
    if said:
        return int(said[1])
    if "end of document" in str(error):
        return data.rstrip().count(b"\n") + 1
    # What is too long or too deep for the parser is on the longest line.
    lines = data.split(b"\n")
    return lines.index(max(lines, key=len)) + 1


def _check(key: str, value: object, where: str) -> None:
    if key not in KEYS:
        import difflib

        near = difflib.get_close_matches(key.replace("_", "-"), KEYS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; known keys: {', '.join(sorted(KEYS))}"
        raise ConfigError(f"{where}: unknown key{hint}")
    if key in _LISTS:
        if not _is_list_of_strings(value):
            raise ConfigError(f"{where}: must be a list of strings")
    elif key == "per-file-ignores":
        if not isinstance(value, dict) or not all(map(_is_list_of_strings, value.values())):
            raise ConfigError(f"{where}: must be a table of patterns, each with a list of rules")
    elif key == "severity":
        levels = get_args(Severity)
        if not isinstance(value, dict) or not all(level in levels for level in value.values()):
            raise ConfigError(f"{where}: must be a table of rules, each with one of {', '.join(levels)}")
    elif key == "jobs":
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ConfigError(f"{where}: must be a whole number of at least 1")
    elif key == "seed" and isinstance(value, int) and not isinstance(value, bool):
        return
    elif not isinstance(value, str):
        raise ConfigError(f"{where}: must be a string")
    elif key in _CHOICES and value not in _CHOICES[key]:
        raise ConfigError(f"{where}: must be one of {', '.join(_CHOICES[key])}")


def _is_list_of_strings(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
