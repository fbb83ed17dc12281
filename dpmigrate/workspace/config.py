"""``[tool.dpmigrate]`` of the nearest pyproject.toml."""

from __future__ import annotations

# Part of every start, where importing pathlib is a tenth of the time.
# ruff: noqa: PTH113, PTH114, PTH118, PTH120
import os
import sys
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from dpmigrate.model import STRATEGIES, Certainty, Strategy
from dpmigrate.workspace.discover import display_path, project_root
from dpmigrate.workspace.errors import ConfigError
from dpmigrate.workspace.reading import read_bytes

if TYPE_CHECKING:
    from pathlib import Path

_CHOICES: dict[str, tuple[str, ...]] = {"min-certainty": get_args(Certainty), "strategy": STRATEGIES}
_LISTS = ("select", "ignore", "exclude")
_TEXTS = ("opacus", "seed", "opacus-lower-bound", *_CHOICES)
_KEYS = (*_LISTS, *_TEXTS, "jobs")


class Config(NamedTuple):
    """The options of a project; None or empty where it says nothing. ``path`` is the file, if any.

    ``exclude`` holds patterns in gitignore syntax, relative to the file's folder.
    """

    path: str | None = None
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    opacus: str | None = None
    min_certainty: Certainty | None = None
    strategy: Strategy | None = None
    seed: str | None = None
    opacus_lower_bound: str | None = None
    jobs: int | None = None
    shown: str | None = None
    """``path`` as messages show it."""

    @property
    def folder(self) -> str | None:
        """The folder that ``exclude`` is relative to; None without a file."""
        return None if self.path is None else os.path.dirname(self.path)


def load_config(start: str | Path, cwd: str | Path) -> Config:
    """The configuration that governs ``start``, a file or folder.

    Raises :class:`ConfigError`, with the file's path relative to ``cwd``, for a file that is not
    TOML, an unknown key, or a value of the wrong type.
    """
    path = nearest_pyproject(os.path.realpath(os.path.join(cwd, start)))
    if path is None:
        return Config()
    shown = display_path(path, os.path.realpath(cwd))
    table = _table(path, shown)
    for key, value in table.items():
        _check(key, value, shown)
    seed = table.get("seed")
    return Config(
        path,
        select=tuple(table.get("select", ())),
        ignore=tuple(table.get("ignore", ())),
        exclude=tuple(table.get("exclude", ())),
        opacus=table.get("opacus"),
        min_certainty=table.get("min-certainty"),
        strategy=table.get("strategy"),
        seed=None if seed is None else str(seed),
        opacus_lower_bound=table.get("opacus-lower-bound"),
        jobs=table.get("jobs"),
        shown=shown,
    )


def nearest_pyproject(start: str) -> str | None:
    """pyproject.toml in ``start``, an absolute path, or the nearest folder above it."""
    folder, above = start, os.path.dirname(start)
    while True:
        path = os.path.join(folder, "pyproject.toml")
        if os.path.isfile(path):
            return path
        if above == folder:
            return None
        folder, above = above, os.path.dirname(above)


def _table(path: str, shown: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    if os.path.islink(path):
        root = project_root(os.path.dirname(path))
        if not os.path.realpath(path).startswith(root.rstrip("/") + "/"):
            raise ConfigError(f"{shown}: a link out of the project, which is not followed")
    try:
        document = tomllib.loads(read_bytes(path).decode("utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{shown}: cannot be read: {(error.strerror or str(error)).lower()}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{shown}: not UTF-8, so not TOML") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{shown}: not valid TOML: {error}") from error
    tool = document.get("tool", {})
    table = tool.get("dpmigrate", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise ConfigError(f"{shown}: tool.dpmigrate must be a table")
    return table


def _check(key: str, value: object, shown: str) -> None:
    where = f"{shown}: [tool.dpmigrate] {key}"
    if key not in _KEYS:
        import difflib

        near = difflib.get_close_matches(key.replace("_", "-"), _KEYS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; known keys: {', '.join(sorted(_KEYS))}"
        raise ConfigError(f"{where}: unknown key{hint}")
    if key in _LISTS:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ConfigError(f"{where}: must be a list of strings")
    elif key == "jobs":
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ConfigError(f"{where}: must be a whole number of at least 1")
    elif key == "seed" and isinstance(value, int) and not isinstance(value, bool):
        return
    elif not isinstance(value, str):
        raise ConfigError(f"{where}: must be a string")
    elif key in _CHOICES and value not in _CHOICES[key]:
        raise ConfigError(f"{where}: must be one of {', '.join(_CHOICES[key])}")
