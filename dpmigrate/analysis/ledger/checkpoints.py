"""Weights that go to and come from files, and whether the accountant goes with them."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class WeightsResumed(Event):
    """Weights out of a file become those of the private model."""

    path: Hashable
    file: Hashable = None
    """The file's content, as one call of ``torch.load`` has it."""
    key: str = ""
    """Where in it they stand."""


@dataclass(frozen=True, slots=True)
class OptimizerResumed(Event):
    """An optimizer of the run goes on from a state out of a file."""

    file: Hashable


@dataclass(frozen=True, slots=True)
class AccountantCarried(Event):
    """The accountant's state is saved, so that another run can go on from it."""
