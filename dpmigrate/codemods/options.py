"""What the user asked a fix for, and which findings each strategy mends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dpmigrate.model import Strategy
from dpmigrate.versions.releases import VersionSet

MENDS: Mapping[Strategy, frozenset[str]] = {
    "upgrade": frozenset(
        ["DPM101", "DPM102", "DPM103", "DPM104", "DPM401", "DPM402", "DPM403", "DPM404", "DPM405", "DPM901"]
    ),
    "set-to-none": frozenset(["DPM101"]),
    "patch": frozenset(["DPM101", "DPM102"]),
    "hooks": frozenset(["DPM101", "DPM102", "DPM103", "DPM401", "DPM402", "DPM403", "DPM404", "DPM405"]),
}
"""The findings about clipping that each strategy mends."""

GENERATORS = frozenset(["DPM201", "DPM202"])
"""The findings about bare generators, which are mended whatever the strategy."""


@dataclass(slots=True)
class Options:
    """What the user asked for."""

    unsafe: bool = False
    strategy: Strategy = "upgrade"
    seed: str | None = None
    lower_bound: str | None = None
    override: VersionSet | None = None
    """The Opacus versions to assume, whatever the project's pins say."""
