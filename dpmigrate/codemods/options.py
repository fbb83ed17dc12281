"""What the user asked a fix for."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import NamedTuple

from dpmigrate.model import STRATEGIES, Strategy
from dpmigrate.versions.releases import RELEASES
from dpmigrate.workspace.config import Config
from dpmigrate.workspace.errors import UsageError
from dpmigrate.workspace.settings import Settings


class LowerBound(NamedTuple):
    """The release that pins are to be raised to, and what messages call the place where it was said."""

    version: str
    source: str


class Wanted(NamedTuple):
    """What is asked for where one file is concerned."""

    strategy: Strategy
    seed: str | None
    """A Python expression to seed generators with."""
    lower_bound: LowerBound | None
    """None: what the code needs."""
    assumed: bool
    """Whether the Opacus versions are given, so that the pins have no say and are left alone."""


@dataclass(slots=True)
class Options:
    """What the user asked for."""

    unsafe: bool = False
    settings: Settings = field(default_factory=lambda: Settings("", isolated=True))

    def at(self, shown: str) -> Wanted:
        """What the options that govern a file ask for, by its path as reports show it."""
        path = self.settings.absolute(shown)
        strategy: tuple[Strategy, Config] | None = self.settings.option(path, lambda c: c.strategy)
        seed = self.settings.option(path, lambda c: c.seed)
        bound = self.settings.option(path, lambda c: c.opacus_lower_bound)
        return Wanted(
            "upgrade" if strategy is None else strategy[0],
            None if seed is None else seed[0],
            None if bound is None else LowerBound(bound[0].strip(), bound[1].source("opacus-lower-bound")),
            self.settings.option(path, lambda c: c.opacus) is not None,
        )


def check(settings: Settings) -> None:
    """Raise UsageError, naming the option, or the file and key, for one that no fix can go by."""
    for config in (settings.given, *settings.configs()):
        if config.strategy is not None and config.strategy not in STRATEGIES:
            raise UsageError(
                f"{config.source('strategy')}: {config.strategy!r} is none of {', '.join(STRATEGIES)}."
            )
        if config.seed is not None:
            try:
                ast.parse(config.seed, mode="eval")
            except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
                raise UsageError(
                    f"{config.source('seed')}: {config.seed!r} is no Python expression."
                ) from error
        if config.opacus_lower_bound is not None:
            _check_bound(config.opacus_lower_bound, config.source("opacus-lower-bound"))


def _check_bound(text: str, source: str) -> None:
    """Refuse what is no release of Opacus, or none that the rewritten code could run on."""
    from packaging.version import Version

    try:
        bound = Version(text)
    except ValueError as error:
        raise UsageError(f"{source}: {text!r} is no version.") from error
    if bound not in map(Version, RELEASES):
        raise UsageError(
            f"{source}: there is no Opacus {bound} that is known (the newest is {RELEASES[-1]})."
        )
    if bound < Version("1.5.3"):
        raise UsageError(f"{source}: the rewritten code needs Opacus 1.5.3 or later, and {bound} is older.")
