"""What a program uses of Opacus that some release has dropped: the engine of 0.x, and names that moved.

None of it belongs to a private training run of today's API: the records stand beside the runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from dpmigrate.analysis.ledger.circumstances import Origin
from dpmigrate.analysis.ledger.models import InPlace
from dpmigrate.analysis.ledger.objects import Thing
from dpmigrate.analysis.source.tolerated import is_tolerated

RetiredKind = Literal["engine-attach", "virtual-step", "get-privacy-spent", "get-coeff"]


class Attached(NamedTuple):
    """An optimizer that an engine of 0.x was attached to, and where."""

    optimizer: Thing
    origin: Origin


@dataclass(frozen=True, slots=True)
class RetiredCall:
    """A call of the API that came with the engine of Opacus 0.x."""

    kind: RetiredKind
    origin: Origin
    since: str
    """The first release on which it raises."""
    error: str
    """The exception that it raises there."""
    sure: bool
    """Whether what it is called on is known to be Opacus's."""
    engine: Thing | None
    """The 0.x engine that it belongs to, where that is known."""
    attached: tuple[Attached, ...]
    """What the engine was attached to."""
    in_place: tuple[InPlace, ...]

    @property
    def engine_made(self) -> Origin | None:
        """Where its engine is made."""
        made = self.engine.made if self.engine is not None else None
        return made.origin if made is not None else None

    @property
    def makes_engine(self) -> bool:
        """Whether it is the constructor of the engine that it belongs to."""
        made = self.engine_made
        return self.kind == "engine-attach" and made is not None and made.node is self.origin.node

    @property
    def tolerated(self) -> bool:
        """Whether the program does without it elsewhere.

        Without an engine of 0.x it does by ``make_private`` alone: else it goes on, and nothing is private.
        """
        module = self.origin.module
        if self.kind == "engine-attach" and b"make_private" not in module.source.data:
            return False
        # An epsilon that is asked for in vain is told to nobody, unless another call tells it.
        return is_tolerated(module, self.origin.node, by_another=self.kind == "get-privacy-spent")


@dataclass(frozen=True, slots=True)
class LibraryName:
    """A dotted name of Opacus, where a module imports it or reaches it through a package."""

    dotted: str
    origin: Origin
    imported: bool
    """Whether an import statement has it, and not an expression."""

    @property
    def tolerated(self) -> bool:
        """Whether the program does without it elsewhere."""
        return is_tolerated(self.origin.module, self.origin.node)
