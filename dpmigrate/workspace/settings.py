"""Which options govern a file: those of the command line, then those of its own pyproject.toml.

The pyproject.toml is the nearest one with ``[tool.dpmigrate]``, from the file's own folder up to its
project root; the current folder has no say in it.
"""

# Asked for every file of a project, where pathlib is several times slower.
# ruff: noqa: PTH109, PTH113, PTH118, PTH119, PTH120

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from dpmigrate import __version__
from dpmigrate.model import Place
from dpmigrate.workspace.config import Config, line_of_pattern, read_config
from dpmigrate.workspace.errors import ConfigError
from dpmigrate.workspace.gitignore import Gitignore
from dpmigrate.workspace.roots import Roots, display_path

if TYPE_CHECKING:
    from pathlib import Path

    from dpmigrate.model import Certainty

Option = TypeVar("Option")
NAME = "pyproject.toml"
NOTHING = Config()
"""A command line without options, and what governs a file that no configuration is there for."""


class Settings:
    """The options of every file of one scan or fix.

    ``given`` are those of the command line. ``file`` is a configuration that governs every file in
    place of its own; with ``isolated`` no configuration is read at all. Whatever reads a
    configuration raises :class:`ConfigError` for a wrong one.
    """

    def __init__(
        self,
        cwd: str,
        given: Config = NOTHING,
        *,
        file: str | None = None,
        isolated: bool = False,
        force_exclude: bool = False,
    ) -> None:
        self.cwd = os.path.realpath(cwd)
        self.given = given
        self.roots = Roots()
        self.force_exclude = force_exclude
        """Whether patterns of ``exclude`` also leave out what is named on the command line."""
        self.warnings: list[Place] = []
        """Patterns that are passed over, and where they stand."""
        self._governing: dict[str, Config] = {}
        self._read: dict[str, Config | None] = {}
        self._patterns: dict[tuple[str, tuple[str, ...]], Gitignore] = {}
        self._only = self._named(file) if file is not None else NOTHING if isolated else None

    def absolute(self, shown: str) -> str:
        """The absolute path behind one that reports show; ``-`` (standard input) stays what it is."""
        return shown if shown == "-" else os.path.normpath(os.path.join(self.cwd, shown))

    def config_of(self, path: str) -> Config:
        """The configuration that governs a file, by its absolute path; ``-`` stands in the current folder."""
        if self._only is not None:
            return self._only
        return self.config_of_folder(self.cwd if path == "-" else os.path.dirname(path))

    def config_of_folder(self, folder: str) -> Config:
        """The configuration that governs the files of a folder (absolute, links resolved)."""
        if self._only is not None:
            return self._only
        pending: list[str] = []
        current = folder
        while current not in self._governing:
            config = self._in(current)
            if config is not None or current == self.roots.root_of(current):
                self._governing[current] = config or NOTHING
                break
            pending.append(current)
            current = os.path.dirname(current)
        for below in pending:
            self._governing[below] = self._governing[current]
        return self._governing[folder]

    def option(self, path: str, read: Callable[[Config], Option | None]) -> tuple[Option, Config] | None:
        """What the command line says, else the file's configuration, and which of them; None: neither."""
        return first_said((self.given, self.config_of(path)), read)

    def configs(self) -> Iterator[Config]:
        """Every configuration that was read so far, each with something to say, and an empty one."""
        yield self._only or NOTHING
        yield from (config for config in self._read.values() if config is not None)

    @property
    def chooses(self) -> bool:
        """Whether anything was said, so far, that only the rules or the releases of Opacus can tell wrong."""
        return any(
            c.select
            or c.ignore
            or c.extend_select
            or c.per_file_ignores
            or c.severity
            or c.opacus is not None
            or c.target_version is not None
            for c in (self.given, *self.configs())
        )

    def excluded(self, path: str) -> bool:
        """Whether a pattern of ``exclude`` leaves a file out, by its absolute path."""
        if self.given.exclude and self.matches(self.given, self.given.exclude, path):
            return True
        # Asked for every file of a project: what is known of a folder is looked up in place.
        config = self._governing.get(path[: path.rfind(os.sep)]) or self.config_of(path)
        return bool(config.exclude) and self.matches(config, config.exclude, path)

    def matches(self, config: Config, patterns: tuple[str, ...], path: str) -> bool:
        """Whether some patterns of a configuration, in gitignore syntax, match an absolute path."""
        return self._patterns_of(config, patterns).ignored(path)

    def spares(self, config: Config, pattern: str, path: str) -> bool:
        """Whether a pattern of ``per-file-ignores`` means an absolute path; with ``!``, all others."""
        read = self._patterns_of(config, (_named(pattern),))
        return not read.empty and read.ignored(path) != pattern.startswith("!")

    def _patterns_of(self, config: Config, patterns: tuple[str, ...]) -> Gitignore:
        base = config.folder or self.cwd
        key = base, patterns
        if key not in self._patterns:
            at = display_path(config.path or base, self.cwd)

            def warn(number: int, said: str) -> None:
                self.warnings.append(Place(at, line_of_pattern(config, patterns[number - 1]), said))

            self._patterns[key] = Gitignore(os.path.realpath(base).rstrip("/") + "/", patterns, warn=warn)
        return self._patterns[key]

    def check_patterns(self) -> None:
        """Have the patterns of ``per-file-ignores`` read, so that one without meaning is told of always."""
        for config in tuple(self.configs()):
            for pattern, _ in config.per_file_ignores:
                self._patterns_of(config, (_named(pattern),))

    def check(self, paths: Iterable[str]) -> None:
        """Read every pyproject.toml among some absolute paths, so that a wrong one is told of at once."""
        if self._only is None:
            for path in paths:
                if os.path.basename(path) == NAME:
                    self._in(os.path.dirname(path))

    def _in(self, folder: str) -> Config | None:
        """What the pyproject.toml of a folder says of dpmigrate."""
        if folder not in self._read:
            path = os.path.join(folder, NAME)
            there = os.path.isfile(path)
            config = read_config(path, display_path(path, self.cwd)) if there else None
            self._read[folder] = _for_this_version(config)
        return self._read[folder]

    def _named(self, file: str) -> Config:
        path = os.path.realpath(os.path.join(self.cwd, file))
        config = _for_this_version(read_config(path, file))
        if config is None:
            raise ConfigError(f"{file}: there is no [tool.dpmigrate] in it")
        return config


def _named(pattern: str) -> str:
    """What a key of ``per-file-ignores`` matches; of one that names nothing, a pattern that says so."""
    return pattern.removeprefix("!").strip() or "!"


def first_said(
    configs: Iterable[Config], read: Callable[[Config], Option | None]
) -> tuple[Option, Config] | None:
    """What ``read`` finds in the first configuration that says anything, and that configuration."""
    for config in configs:
        value = read(config)
        if value is not None:
            return value, config
    return None


def _for_this_version(config: Config | None) -> Config | None:
    """The configuration, if it is for this dpmigrate. Raises ConfigError where it asks for another one."""
    if config is None or config.required_version is None:
        return config
    from packaging.specifiers import SpecifierSet

    text, source = config.required_version.strip(), config.source("required-version")
    try:
        wanted = SpecifierSet(f"=={text}" if text[:1].isdigit() else text)
        this = wanted.contains(__version__, prereleases=True)
    except ValueError as error:
        raise ConfigError(f"{source}: {text!r} is not a version specifier such as '>=0.1'") from error
    if not text or not this:
        raise ConfigError(f"{source}: {text!r} is asked for, and this is dpmigrate {__version__}")
    return config


def given_settings(
    cwd: str | Path | None,
    select: Collection[str] = (),
    ignore: Collection[str] = (),
    opacus: str | None = None,
    min_certainty: Certainty | None = None,
    exclude: Sequence[str] = (),
    exclude_base: str | Path | None = None,
) -> Settings:
    """Options that a program gives, with no configuration read."""
    here = os.getcwd() if cwd is None else str(cwd)
    given = Config(
        select=tuple(sorted(select)),
        ignore=tuple(sorted(ignore)),
        exclude=tuple(exclude),
        opacus=opacus,
        min_certainty=min_certainty,
        base=None if exclude_base is None else str(exclude_base),
    )
    return Settings(here, given, isolated=True)
