"""Sets of constants that are put together: ``PRIVATE.union(GHOST)``, ``ALL - PLAIN``."""

from __future__ import annotations

from collections.abc import Sequence

from dpmigrate.analysis.domain.atoms import Atom, Const
from dpmigrate.analysis.domain.values import Seq, Value, of

OPERATORS = {"BitOr": "union", "BitAnd": "intersection", "Subtract": "difference"}


def combined(how: str, sets: Sequence[Atom | None]) -> Value | None:
    """What sets have together, in common, or the first alone; None where one is not wholly constants."""
    held = [constants for constants in map(_constants_in, sets) if constants is not None]
    if not sets or len(held) < len(sets):
        return None
    first, *others = held
    if how == "union":
        left = dict.fromkeys(item for constants in held for item in constants)
    else:
        common = how == "intersection"
        left = dict.fromkeys(
            item for item in first if all((item in constants) is common for constants in others)
        )
    return of(Seq(tuple(of(item) for item in left), None, True))


def _constants_in(atom: Atom | None) -> dict[Const, None] | None:
    """The constants that a sequence holds, each once; None where it may hold anything else."""
    if not isinstance(atom, Seq) or atom.items is None:
        return None
    constants = [value.only for value in atom.items if isinstance(value.only, Const)]
    return dict.fromkeys(constants) if len(constants) == len(atom.items) else None
