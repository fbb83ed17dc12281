"""What is done with the batches that the sampler draws, and with the sampler itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dpmigrate.analysis.ledger.events import Event
from dpmigrate.analysis.ledger.things import Amount

KindOfLoader = Literal["returned", "passed", "remade", "records", "columns", "fixed", "other"]


@dataclass(frozen=True, slots=True)
class BatchSkipped(Event):
    """A loop over a managed loader takes no step for a batch: it goes on, ends, or guards its body.

    "return": a function that steps for one batch leaves before it does.
    """

    how: Literal["continue", "break", "if", "return"]
    empty: bool = True
    """Whether it is for an empty batch that it does so, and for no other reason."""
    last: bool = False
    """Whether the loop around ends with it, so that no batch comes after."""
    stepped: bool = False
    """Whether the batch was given to the step, which may only have added it up, and the loop is left."""


@dataclass(frozen=True, slots=True)
class TrainedOn(Event):
    """The private step takes gradients of what a loader gave the model; the place is where it gave it.

    The loader is the returned one (as it is, or managed), the one passed in, or one that was made of the
    same data, or that data itself ("records"), or the tensors of which its records are rows ("columns");
    beside a pair that is made by hand, one that draws no Poisson batches ("fixed").
    """

    loader: KindOfLoader
    mixed: bool = False
    """Whether batches of the returned loader are in the same forward pass."""


SamplerKind = Literal["subset", "weighted", "own"]
"""What is lost with a sampler: its subset, its weights, or whatever a class of the program does."""


@dataclass(frozen=True, slots=True)
class SamplerGiven(Event):
    """The loader that is passed in has a sampler of its own, which Poisson sampling puts aside."""

    sampler: SamplerKind
    name: str


@dataclass(frozen=True, slots=True)
class TrainedTogether(Event):
    """The model that is handed over is wrapped for training by several processes, ``number`` of them."""

    number: Amount


@dataclass(frozen=True, slots=True)
class UnknownKeyword(Event):
    """``make_private`` is given a keyword that no release has."""

    name: str
    meant: str
    """The keyword that it is nearest to; empty where none is near."""
    sure: bool
    """Whether it is there on every path."""
