"""``scan --show-settings``: the options that govern a file, and where each was said."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from dpmigrate.advisories.catalogue import advisories
from dpmigrate.advisories.choice import Choices
from dpmigrate.report.layout import clean
from dpmigrate.workspace.config import KEYS, Config
from dpmigrate.workspace.discover import discover
from dpmigrate.workspace.roots import display_path
from dpmigrate.workspace.settings import Settings


def settings_text(paths: Sequence[str], settings: Settings) -> str:
    """The settings of every PATH, one block each. Raises UsageError for a wrong one, or no such path."""
    discover([path for path in paths if path != "-"], settings)
    choices = Choices(settings)
    return "\n".join(_block(path, settings, choices) for path in paths)


def _block(path: str, settings: Settings, choices: Choices) -> str:
    full = os.path.realpath(settings.absolute(path)) if path != "-" else path
    inside = f"{full}/x" if os.path.isdir(full) else full  # noqa: PTH112 - as in discover
    config = settings.config_of(inside)
    root = settings.roots.root_of(settings.cwd if path == "-" else os.path.dirname(inside))  # noqa: PTH120
    lines = [
        f"# {path}",
        f"# root: {display_path(root, settings.cwd)}",
        f"# configuration: {config.shown or 'none'}",
    ]
    for key in KEYS:
        field = key.replace("-", "_")
        layers = [layer for layer in (settings.given, config) if getattr(layer, field)]
        for layer in layers[:1] if key not in ("ignore", "extend-select") else layers:
            lines.append(f"{key} = {_toml(getattr(layer, field))}  # {_origin(layer)}")
    if full == inside and path != "-" and settings.excluded(full):
        lines.append("# left out by exclude, unless it is named as PATH without --force-exclude")
    lines.append(f"# rules reported: {_reported(choices.reported(inside))}")
    return "".join(f"{clean(line)}\n" for line in lines)


def _reported(enabled: frozenset[str]) -> str:
    """The shorter of two lists: what is reported, or what is not of what is reported by default."""
    missing = sorted({a.id for a in advisories() if a.reported == "default"} - enabled)
    if not missing:
        return "all"
    return f"all but {', '.join(missing)}" if len(missing) < len(enabled) else ", ".join(sorted(enabled))


def _origin(layer: Config) -> str:
    return layer.shown or "command line"


def _toml(value: Any) -> str:
    """A value of a configuration as TOML writes it."""
    if isinstance(value, tuple) and value and isinstance(value[0], tuple):
        return "{ " + ", ".join(f"{_toml(key)} = {_toml(item)}" for key, item in value) + " }"
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, int):
        return str(value)
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
