"""Who changes the parameters of a private model, by which bound, and who is told of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dpmigrate.analysis.ledger.events import Event
from dpmigrate.analysis.ledger.things import UNKNOWN_AMOUNT, Amount


@dataclass(frozen=True, slots=True)
class NormChanged(Event):
    """The bound is changed after the run is made: that of the optimizer's noise, or the model's own."""

    of: Literal["optimizer", "model"]
    by: Literal["assignment", "schedule"]


@dataclass(frozen=True, slots=True)
class OptimizerOfBefore(Event):
    """The run's optimizer has the parameters that its model had before Opacus's validator copied that."""


@dataclass(frozen=True, slots=True)
class TrainableSet(Event):
    """Parameters of the private model are unfrozen, or frozen, after the run is made."""

    trainable: bool
    before: bool
    """Whether some of them were frozen before the run was made."""


@dataclass(frozen=True, slots=True)
class SteppedBeside(Event):
    """An optimizer that is not the run's takes a step on parameters of the private model."""

    optimizer: str
    """Its class."""
    before_noise: bool
    """Whether it takes gradients that the private step has not come to: they have no noise yet."""
    of_the_same: bool = False
    """Whether all that it trains is in the private optimizer as well, whose step puts noise there."""


@dataclass(frozen=True, slots=True)
class SteppedByTrainer(Event):
    """A trainer that owns the loop steps an optimizer of torch on the private model."""

    optimizer: str
    """Its class, or whose it is."""
    raw: bool
    """Whether it is the one that the run was given."""


@dataclass(frozen=True, slots=True)
class MovedByHand(Event):
    """Weights of the private model are moved along gradients that the private step has not come to."""


@dataclass(frozen=True, slots=True)
class TrainedPlainly(Event):
    """Before the run was made, torch's own optimizer trained its model on the same records."""


@dataclass(frozen=True, slots=True)
class NoiseRead(Event):
    """The optimizer is asked for its noise multiplier."""


@dataclass(frozen=True, slots=True)
class HookReplaced(Event):
    """A function of the program takes the place of the hook by which an accountant hears of steps."""


@dataclass(frozen=True, slots=True)
class NoiseAdded(Event):
    """Noise is added by hand, and not in a step."""


@dataclass(frozen=True, slots=True)
class AccountantTold(Event):
    """An accountant is told of steps by the program itself, or attached to the optimizer."""

    how: Literal["hook", "step", "pre-step"]
    noise: Amount = UNKNOWN_AMOUNT
    """The noise multiplier that an accountant of the program's own is told of."""
    last: bool = False
    """Whether no other private run is made between this run and the telling."""


@dataclass(frozen=True, slots=True)
class AccountantMade(Event):
    """The module that wraps the pair by hand makes an accountant of its own."""


@dataclass(frozen=True, slots=True)
class AccountantAsked(Event):
    """An accountant that the program made itself is asked for an epsilon."""
