"""What Python's own names mean. Each module is one group of names; importing it registers its handlers."""

from dpmigrate.analysis.library.python import (
    builtins,
    containers,
    coroutines,
    drawn,
    fixed,
    getters,
    iterating,
    records,
    workers,
    wrappers,
)

LOADED = (builtins, containers, coroutines, drawn, fixed, getters, iterating, records, workers, wrappers)

__all__ = ["LOADED"]
