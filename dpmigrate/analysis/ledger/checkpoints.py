"""Weights that go to and come from files, and whether the accountant goes with them."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from dpmigrate.analysis.ledger.events import Event


@dataclass(frozen=True, slots=True)
class WeightsSaved(Event):
    """The private model's weights are written to a file; equal ``path`` is the same file."""

    path: Hashable
    """None where it can be several."""
    keys: frozenset[str] = frozenset()
    """The keys of the dict that is written."""
    by_another: bool = False
    """Whether another private run of the program writes it, that trains on the same records."""
    pieces: tuple[Hashable, ...] = ()
    """What the path is put together of: texts, and what stands for anything unknown."""


@dataclass(frozen=True, slots=True)
class WeightsResumed(Event):
    """Weights out of a file become those of the private model."""

    path: Hashable
    file: Hashable = None
    """The file's content, as one call of ``torch.load`` has it."""
    key: str = ""
    """Where in it they stand."""
    pieces: tuple[Hashable, ...] = ()
    """What the path is put together of; texts with a ``*`` are a pattern that files were looked up by."""

    @property
    def looked_up(self) -> bool:
        """Whether it is one of the files that were there."""
        return any(isinstance(piece, str) and "*" in piece for piece in self.pieces)

    def may_be(self, saved: WeightsSaved) -> bool:
        """Whether the path may be that of a file that is written, but for one part that is not known."""
        written, read = saved.pieces, self.pieces
        if (
            not written
            or not read
            or (any(not isinstance(p[0], str) for p in (written, read)) and (written[0] != read[0]))
        ):
            return False
        if self.looked_up:
            return fnmatchcase(_text(written), _text(read))
        others = sum(a != b for a, b in zip(written, read, strict=False))
        return len(written) > 1 and _text(written) == _text(read) and others == 1


def _text(pieces: tuple[Hashable, ...]) -> str:
    """The text of a path, with a ``*`` for what is not known."""
    return "".join(piece if isinstance(piece, str) else "*" for piece in pieces)


@dataclass(frozen=True, slots=True)
class OptimizerResumed(Event):
    """An optimizer of the run goes on from a state out of a file."""

    file: Hashable


@dataclass(frozen=True, slots=True)
class AccountantCarried(Event):
    """The accountant's state is saved, so that another run can go on from it."""
