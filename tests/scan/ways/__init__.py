"""Small programs in pairs that differ in one fact, for one half of which a rule holds.

One module per rule; ``programs`` has what they share. Whatever module stands here is loaded.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from tests.scan.ways.programs import Pair

PAIRS: tuple[Pair, ...] = tuple(
    pair
    for module in sorted(found.name for found in iter_modules(__path__) if found.name != "programs")
    for pair in import_module(f"{__name__}.{module}").PAIRS
)
