"""Context managers that are written as generators: what comes before their ``yield``, and what after it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import libcst as cst

from dpmigrate.analysis.domain.atoms import Atom
from dpmigrate.analysis.notes import Slot
from dpmigrate.analysis.source.tree import every

AFTER_THE_YIELD: Slot[dict[Atom | None, Callable[[], object]]] = Slot(dict)
"""By context manager: what is still to be executed, at its end."""


class Halves(NamedTuple):
    """The statements up to the ``yield``, that one included, and those after it."""

    before: tuple[cst.CSTNode, ...]
    after: tuple[cst.CSTNode, ...]


def halves_of(body: Sequence[cst.CSTNode]) -> Halves | None:
    """The halves of a generator that yields once; None where a test or a loop stands around the ``yield``."""
    place = next((i for i, statement in enumerate(body) if _yields(statement)), None)
    if place is None:
        return None
    here, behind = body[place], tuple(body[place + 1 :])
    if isinstance(here, (cst.SimpleStatementLine, cst.BaseSmallStatement)):
        halves: Halves | None = Halves((*body[: place + 1],), behind)
    elif isinstance(here, cst.Try):
        inner = halves_of(here.body.body)
        last = tuple(here.finalbody.body.body) if here.finalbody is not None else ()
        halves = inner and Halves((*body[:place], *inner.before), (*inner.after, *last, *behind))
    else:
        halves = None
    return None if halves is None or any(map(_yields, halves.after)) else halves


def yields_in_order(body: cst.BaseSuite) -> bool:
    """Whether a generator yields each thing once, in order: no test and no loop stands around any."""
    return not any(_yields(part) for part in body.body if not isinstance(part, cst.SimpleStatementLine))


def _yields(node: cst.CSTNode) -> bool:
    return any(isinstance(part, cst.Yield) for part in every(node))
