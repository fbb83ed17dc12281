"""Things that events and objects speak of: numbers of the program, and what makes losses."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Amount:
    """A number of the program, as far as it is known."""

    same: Hashable = None
    """Equal for what is certainly the same number, known or not; None for what can be several."""
    number: float | None = None
    """The number itself, where it is one and known."""
    length_of: Hashable = None
    """The data set whose length it is (see ``Loader.dataset``)."""

    def at_least(self, other: Amount) -> bool | None:
        """Whether it is not smaller than another; None where that cannot be told."""
        if self.same is not None and self.same == other.same:
            return True
        if self.number is None or other.number is None:
            return None
        return self.number >= other.number


UNKNOWN_AMOUNT = Amount()


@dataclass(frozen=True, slots=True)
class Maker:
    """What made a loss."""

    kind: Literal["loss-function", "library", "criterion", "dp-criterion", "model", "class", "unknown"]
    """A loss function of torch, another function of a library, a criterion (plain, or wrapped by
    ``make_private``), a model, or a project's class."""
    name: str = ""
    """The qualified name in a library, or the name of the class."""
    key: Hashable = None
    """Which object it is; equal for the same one."""


UNKNOWN_MAKER = Maker("unknown")
