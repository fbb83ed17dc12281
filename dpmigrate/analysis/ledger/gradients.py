"""What becomes of gradients between the backward pass that makes them and the step that uses them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dpmigrate.analysis.ledger.events import Event

Change = Literal["clipped", "written"]
"""``clip_grad_norm_`` and its like, which only make gradients smaller, or anything else done to ``.grad``."""


@dataclass(frozen=True, slots=True)
class GradientChanged(Event):
    """Gradients are changed after the backward pass and before the private step."""

    how: Change


@dataclass(frozen=True, slots=True)
class GradientsLost(Event):
    """Gradients are cleared after the backward pass and before the private step.

    ``raw``: by the module or optimizer that was passed in, which knows nothing of per-sample gradients.
    """

    raw: bool


@dataclass(frozen=True, slots=True)
class GradientsUsed(Event):
    """An optimizer, or code that is not followed, takes the gradients of the backward pass that is here."""


@dataclass(frozen=True, slots=True)
class GradientsUnused(Event):
    """The gradients of the backward pass that is here are cleared before any step."""


@dataclass(frozen=True, slots=True)
class SeveralPasses(Event):
    """A private step takes place after several wrapped losses went backward, and no step between."""


@dataclass(frozen=True, slots=True)
class SteppedEvery(Event):
    """The private optimizer steps once in several turns of the loop, which a test of a counter decides.

    ``known``: the program itself says in how many.
    """

    known: bool


@dataclass(frozen=True, slots=True)
class SteppedVirtually(Event):
    """The private optimizer is asked for the ``virtual_step`` of Opacus 0.x, and raises."""


@dataclass(frozen=True, slots=True)
class StepPutOff(Event):
    """The program itself tells the private optimizer to put off its step in some turns of a loop.

    A counter decides in which, so that the batches of several turns are added up.

    ``known``: the program itself says in how many. ``by_trainer``: it is a trainer that counts, and calls.
    """

    known: bool
    by_trainer: bool = False


@dataclass(frozen=True, slots=True)
class NoisePatchedOut(Event):
    """The private optimizer's ``add_noise`` is replaced by something that adds none."""


@dataclass(frozen=True, slots=True)
class NoiseOfItsOwn(Event):
    """``add_noise`` of the private optimizer is replaced by something that may add noise of its own."""


@dataclass(frozen=True, slots=True)
class NoiseSwitchedOff(Event):
    """The noise multiplier of the private optimizer becomes 0 after the run was made."""


@dataclass(frozen=True, slots=True)
class ColumnOfLosses(Event):
    """The wrapped criterion gets so many columns, [B, D], and makes a loss of each element: ``criterion``.

    None where they are the tokens of a sequence, [B, V, T].
    """

    criterion: str
    columns: int | None


@dataclass(frozen=True, slots=True)
class TokensIgnored(Event):
    """The wrapped criterion is told the shape of sequences, and its own criterion to ignore some tokens.

    ``by_keyword``: the target is given by keyword.
    """

    by_keyword: bool


@dataclass(frozen=True, slots=True)
class UsedAsTensor(Event):
    """What the wrapped criterion made, which is no tensor, is used as one: ``text``, as the program has it.

    ``understood``: Opacus 1.6.0 takes it all the same.
    """

    text: str
    understood: bool


@dataclass(frozen=True, slots=True)
class FlattenedLoss(Event):
    """The wrapped criterion gets the tokens of sequences one by one, and is not told their shape.

    ``sure``: that they are tokens of sequences is in the text; otherwise it is in a name.
    """

    sure: bool


@dataclass(frozen=True, slots=True)
class ReductionSet(Event):
    """The criterion of the run is told ``reduction="none"`` by the program itself, after the run is made."""
