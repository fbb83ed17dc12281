"""Facts about how the losses of a batch, and of the tokens of a sequence, become one."""

from __future__ import annotations

from dpmigrate.advisories.facts.general import fact
from dpmigrate.advisories.subjects import Subject
from dpmigrate.analysis.ledger import (
    Backward,
    CoefficientAsked,
    Constant,
    HooksSwitched,
    PrivateRun,
    contradict,
)
from dpmigrate.analysis.ledger.accounting import ReductionGiven
from dpmigrate.analysis.ledger.gradients import TokensIgnored
from dpmigrate.analysis.ledger.reductions import COUNTED_MEAN
from dpmigrate.model import Tri

_FACTORS = ("div", "mul", "scaled")
"""Steps on losses that scale them."""


@fact
def _target_by_keyword(s: Subject) -> Tri:
    """Whether the wrapped criterion gets the target by keyword, where 1.6.0 does not look for it."""
    return isinstance(s.event, TokensIgnored) and s.event.by_keyword


@fact
def _engine_sums(s: Subject) -> Tri:
    """Whether ``make_private``, or the module of a pair by hand, is told ``loss_reduction="sum"``."""
    return _told(s, "sum")


@fact
def _engine_means(s: Subject) -> Tri:
    """Whether ``loss_reduction`` is "mean", as it is by default."""
    if s.run.open_call:
        return False
    return _told(s, "mean") if s.run.argument("loss_reduction") else True


@fact
def _reduces_otherwise(s: Subject) -> Tri:
    """Whether the criterion that is given reduces in another way than ``loss_reduction`` says."""
    event = s.event
    if not isinstance(event, ReductionGiven) or s.run.open_call:
        return False
    told = s.run.argument("loss_reduction")
    s.notes["criterion"], s.notes["told"] = event.reduction, "mean"
    if not told:
        return event.reduction != "mean"
    names = [what.value for what in told.each if isinstance(what, Constant)]
    others = [name for name in names if name != event.reduction]
    if not others:
        return False
    s.notes["told"] = str(others[0])
    return True if len(others) == len(list(told.each)) else None


def _told(s: Subject, reduction: str) -> Tri:
    """Whether the norms go by this reduction; None where a pair by hand may have told its optimizer alone."""
    equal = s.run.argument("loss_reduction").equals(reduction)
    sure = not s.run.manual or bool(s.run.argument("optimizer.loss_reduction"))
    return equal if sure or equal is False else None


@fact
def _first_of_two_passes(s: Subject) -> Tri:
    """Whether this pass is made for the norms: the graph is kept, and the factors are asked for."""
    if not isinstance(s.event, Backward) or s.event.loss != "other" or not s.event.retained:
        return False
    return any(True for _ in s.run.happened(CoefficientAsked))


@fact
def _mean_goes_backward(s: Subject) -> Tri:
    return _goes_backward(s, "mean")


@fact
def _sum_goes_backward(s: Subject) -> Tri:
    return _goes_backward(s, "sum")


def _goes_backward(s: Subject, reduction: str) -> Tri:
    """Whether losses reduced so go backward: not where a factor came later, which may be their number."""
    event = s.event
    reductions = ("mean", COUNTED_MEAN) if reduction == "mean" else (reduction,)
    if not isinstance(event, Backward) or event.reduction not in reductions:
        return False
    steps = list(event.steps)
    behind = steps[len(steps) - steps[::-1].index(reduction) :] if reduction in steps else steps
    return not any(step.startswith(_FACTORS) for step in behind)


@fact
def _sum_left_as_it_is(s: Subject) -> Tri:
    """Whether a sum over the batch goes backward, and was neither divided nor multiplied before."""
    event = s.event
    if not isinstance(event, Backward) or event.reduction != "sum" or _instead_of_a_loss(s.run, event):
        return False
    return not any(step.startswith(_FACTORS) for step in event.steps)


def _instead_of_a_loss(run: PrivateRun, event: Backward) -> bool:
    """Whether ``model(x).sum() * 0.0`` goes backward where another loss has nothing: for an empty batch."""
    if event.maker.kind not in ("model", "class") or not set(event.steps) <= {"sum", "mul-number"}:
        return False
    others = (
        e for e in run.happened(Backward) if e.loops == event.loops and e.maker.kind != event.maker.kind
    )
    return any(contradict(e.guard, event.guard) for e in others)


@fact
def _scaled_by_the_batch(s: Subject) -> Tri:
    """Whether the gradient of each example grows with the number of examples in its batch."""
    return s.unsure(_ALL_CLIPPED) if _power_of_the_batch(s) > 0 else False


@fact
def _divided_by_the_batch_again(s: Subject) -> Tri:
    """Whether the gradient of each example shrinks with the number of examples in its batch."""
    return s.unsure(_ALL_CLIPPED) if _power_of_the_batch(s) < 0 else False


_ALL_CLIPPED = "nothing comes of it where all examples are clipped anyhow"


def _power_of_the_batch(s: Subject) -> int:
    """The power of their number that is in the gradients of a batch's examples; 0 where that is not known.

    In hooks mode ``loss_reduction="mean"`` multiplies each by that number, which a mean has divided it by.
    """
    event = s.event
    if not isinstance(event, Backward) or _instead_of_a_loss(s.run, event):
        return 0
    factors = [step for step in event.steps if step.startswith(_FACTORS)]
    power = factors.count("mul-size") - factors.count("div-size")
    if event.loss == "returned-criterion":
        return power
    numbers = factors and all(step.endswith(("-size", "-number")) for step in factors)
    engine_means = _engine_means(s)
    if event.reduction not in ("mean", "sum") or engine_means is None or not numbers:
        return 0
    return power - (event.reduction == "mean") + engine_means


@fact
def _hooks_enabled(s: Subject) -> Tri:
    """Whether this pass makes per-sample gradients: ``disable_hooks`` was not the last that was called."""
    enabled: Tri = True
    for event in s.run.events:
        if event is s.event:
            return enabled
        if isinstance(event, HooksSwitched):
            enabled = event.enabled if not event.guard else None
    return enabled
