"""What happens to the objects of a private run, one frozen record for each thing.

Two events are equal when they say the same of the same kind, wherever they happen. A new event is
a class in here and one place in ``analysis.library`` that records it (``ip.happen(run, ...)``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeVar

from dpmigrate.analysis.guards import DOUBT, Guard, is_doubtful
from dpmigrate.analysis.ledger.circumstances import Circumstances, Origin, Step, Turn
from dpmigrate.analysis.ledger.things import Amount, Maker

LossKind = Literal["returned-criterion", "two-pass", "other", "unknown"]
Clearing = Literal["none", "inplace", "unknown"]
"""What becomes of the gradients: let go of, set to zero, or not known."""
Touching = Literal["none", "inplace", "unknown", "backward"]
Escaping = Literal["dp-model", "dp-optimizer", "dp-criterion", "dp-loader"]
Manager = Literal["BatchMemoryManager", "wrap_data_loader", "signal_skip_step"]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens to an object of a run."""

    at: Circumstances = field(compare=False)

    @property
    def origin(self) -> Origin:
        """Where it happens."""
        return self.at.origin

    @property
    def guard(self) -> Guard:
        """What has to be so for it to happen, beyond what the run itself assumes."""
        return self.at.guard

    @property
    def doubtful(self) -> bool:
        """Whether an assumption was given up on the way, or could not be put into words: what excludes it
        may have been lost."""
        return is_doubtful(self.at.guard)

    @property
    def unplaced(self) -> bool:
        """Whether those were given up under which it was met: it may well be another run's."""
        return DOUBT in self.at.guard

    @property
    def chain(self) -> tuple[Step, ...]:
        """The calls on the way to it, outermost first."""
        return self.at.chain

    @property
    def loops(self) -> tuple[Turn, ...]:
        """The loops around it, outermost first."""
        return self.at.loops


Happening = TypeVar("Happening", bound=Event)
"""One kind of event."""


# -- what make_private returned ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Unpack(Event):
    """The result is taken apart into ``count`` targets, that number ``star`` taking the rest."""

    count: int
    star: int | None = None


@dataclass(frozen=True, slots=True)
class ResultUsed(Event):
    """The result, or a part of it, is used without being taken apart."""


@dataclass(frozen=True, slots=True)
class ItemTaken(ResultUsed):
    """An element of the result is taken by its index."""

    index: object


@dataclass(frozen=True, slots=True)
class HandedOnWhole(ResultUsed):
    """The result is the arguments of a call: ``train(*result)``; the place is the starred argument."""


@dataclass(frozen=True, slots=True)
class LengthAsked(ResultUsed):
    """The result's length is asked."""


@dataclass(frozen=True, slots=True)
class Wrapped(ResultUsed):
    """Model and optimizer are given to a class that wraps a criterion or its losses by hand."""

    wrapper: Literal["DPLossFastGradientClipping", "DPTensorFastGradientClipping"]


@dataclass(frozen=True, slots=True)
class Escape(Event):
    """An object of the run goes into code that cannot be followed, or into its own model."""

    what: Escaping
    into: str


# -- training -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Iterated(Event):
    """Batches are taken of the returned loader, and not by way of a memory manager."""


@dataclass(frozen=True, slots=True)
class TurnFed(Event):
    """Each turn of the loop that stands here has another batch of the returned loader, whoever hands it on.

    The pieces of a batch that an outer loop has are no other batches.
    """

    taken: frozenset[Origin]
    """Where they are taken of the loader."""


@dataclass(frozen=True, slots=True)
class ManagerUsed(Event):
    """A batch memory manager gets the optimizer or the loader, with this maximum of examples."""

    manager: Manager
    maximum: Amount


@dataclass(frozen=True, slots=True)
class Backward(Event):
    """A loss of the run's model goes backward."""

    loss: LossKind
    maker: Maker
    steps: tuple[str, ...]
    """What was done to the loss since it was made: "mean", "div", ".loss"."""
    via: str
    """The call that does it: "backward", "accelerator.backward", ..."""
    retained: bool
    """Whether the graph is kept, as the first of two passes needs it."""
    through: bool
    """Whether the gradient also reaches a model that another optimizer trains."""
    reduction: str = ""
    """How the losses of the batch became one: "mean", "sum", "weighted mean", ...; empty where not known."""
    fed_at: frozenset[Origin] = frozenset()
    """Where the batches were taken that the run's model was given for it."""


@dataclass(frozen=True, slots=True)
class DoubleBackward(Event):
    """``double_backward(...)`` is called."""


@dataclass(frozen=True, slots=True)
class CoefficientAsked(Event):
    """The clipping coefficients, or the norms, are asked for by one of their names."""

    name: str


@dataclass(frozen=True, slots=True)
class HooksSwitched(Event):
    """``enable_hooks()`` or ``disable_hooks()`` is called on the model."""

    enabled: bool


@dataclass(frozen=True, slots=True)
class HooksRemoved(Event):
    """``remove_hooks()`` or ``to_standard_module()``: the wrapped module can be made private again."""


@dataclass(frozen=True, slots=True)
class Stepped(Event):
    """The private optimizer takes a step (``raw``: the one that it wraps, past it)."""

    raw: bool


@dataclass(frozen=True, slots=True)
class ZeroGrad(Event):
    """Something clears the gradients."""

    how: Clearing


@dataclass(frozen=True, slots=True)
class FirstTouch(Event):
    """The first thing that touches the gradients after a step."""

    how: Touching


@dataclass(frozen=True, slots=True)
class Seeded(Event):
    """The generator of the noise, torch's or the run's own, is seeded in a loop of the run, or in turns."""

    seed: Amount
    repeats: bool = False
    """Whether it is certainly the same seed each time."""
    everywhere: bool = False
    """Whether it is the same in all loops around, and not only in those of its own function."""
    in_turns: bool = False
    """Whether it is in a method that a framework calls in each turn of a loop of its own."""


@dataclass(frozen=True, slots=True)
class SeededByRecords(Event):
    """Fetching a record of the private loader seeds torch's default generator, in the process that trains.

    ``differs``: each record has a seed of its own; otherwise all have one. ``loop``: the loop that goes over
    the loader, where it is one of the program's.
    """

    differs: bool
    loop: Origin | None = None


@dataclass(frozen=True, slots=True)
class StateSetBack(Event):
    """The generator of the noise goes back to a state that it had earlier in the same turn of a loop."""


@dataclass(frozen=True, slots=True)
class SeededBefore(Event):
    """Torch's default generator was seeded before the run was made.

    ``literal``: the program names a seed, if only as a default; ``sure``: it can be no other.
    """

    literal: bool
    sure: bool
