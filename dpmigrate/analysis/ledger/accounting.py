"""What is asked of an engine's accountant, and how runs come to be made more than once."""

from __future__ import annotations

from dataclasses import dataclass

from dpmigrate.analysis.ledger.circumstances import Origin
from dpmigrate.analysis.ledger.events import Event
from dpmigrate.analysis.ledger.things import Amount


@dataclass(frozen=True, slots=True)
class ReductionGiven(Event):
    """A criterion is handed to ``make_private`` that reduces the losses of a batch in a known way."""

    reduction: str
    """"mean", "sum" or "none"."""


@dataclass(frozen=True, slots=True)
class EpsilonAsked(Event):
    """An epsilon is asked for, or aimed at, for some delta."""

    aimed: bool
    """As a target of ``make_private_with_epsilon``."""


@dataclass(frozen=True, slots=True)
class EpsilonsCombined(Event):
    """One number is made of several epsilons, and it is not the largest.

    ``series``: they are what one engine says again and again, each larger than the one before.
    """

    how: str
    """"mean", "median", "percentile" or "smallest"."""
    series: bool
    apart: bool = False
    """Whether the runs that spent them are known to train on data sets of their own."""
    parts: bool = False
    """Whether each is what was spent between two times, of which only the sum says anything."""


@dataclass(frozen=True, slots=True)
class EpsilonsAdded(Event):
    """The program adds epsilons up, as those of runs on the same records compose."""


@dataclass(frozen=True, slots=True)
class TrainedBefore(Event):
    """The run begins with the weights that another engine's run left, trained on the same records."""

    again: bool = False
    """Whether it is the run's own call, in a function that calls itself."""


@dataclass(frozen=True, slots=True)
class DeltaGiven(Event):
    """A delta, where it is worked out: one over the number of batches or of records, or a number."""

    one_over: str
    """"batches", "records", "a root of records", or empty for anything else."""
    delta: Amount
    sure: bool
    """Whether it can be no other."""


@dataclass(frozen=True, slots=True)
class FellBack(Event):
    """A handler takes the failure of ``make_private``, or of importing Opacus, and the program goes on to
    train the plain model."""

    step: Origin
    """The step without noise."""
    refused: bool
    """Whether it is the validator that says so beforehand, and no handler."""
    uninstalled: bool = False
    """Whether it is Opacus that cannot be imported."""


@dataclass(frozen=True, slots=True)
class MadeInstead(Event):
    """A wide handler takes the failure of one ``make_private`` and makes this run in its place.

    ``again``: from a model that the failed call was given; ``weaker``: without the target that it had.
    """

    again: bool
    weaker: bool


@dataclass(frozen=True, slots=True)
class EngineOfARound(Event):
    """The run and its engine are made in a method that a framework calls in every round.

    ``with_its_client``: or with an object that the framework makes anew for every round. ``unwrapped``: what
    its object keeps of the model is the module that was passed in, whose hooks the next round finds.
    """

    framework: str
    with_its_client: bool = False
    unwrapped: bool = False


@dataclass(frozen=True, slots=True)
class WeightsLoaded(Event):
    """Before the run is made or its training begins, its model loads a state.

    ``changing``: what is loaded was seen to be several things, as what the rounds before leave is.
    ``hooked``: the model is a copy of the module that the round before made private, and of its hooks.
    """

    changing: bool
    hooked: bool = False
