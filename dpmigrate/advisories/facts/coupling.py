"""Facts about what lets one example into the gradients of others."""

from __future__ import annotations

import libcst as cst

from dpmigrate.advisories.facts.general import fact
from dpmigrate.advisories.facts.gradients import has_batch_of_its_own
from dpmigrate.advisories.facts.trials import reads_its_items
from dpmigrate.advisories.subjects import Subject
from dpmigrate.analysis.ledger.events import Backward, HooksSwitched, Stepped, ZeroGrad
from dpmigrate.analysis.ledger.models import (
    BatchNormKept,
    BatchStatistics,
    ExamplesCoupled,
    PaddingRead,
    ParameterOutside,
    PartEvaluated,
    RecordsRepeated,
    WholeInTrainMode,
)
from dpmigrate.analysis.ledger.reductions import COUNTED_MEAN, WEIGHTED_MEAN
from dpmigrate.model import Tri


@fact
def _normalises_by_the_batch(s: Subject) -> Tri:
    """Whether a BatchNorm that is not trained stays in train mode."""
    if not isinstance(s.event, BatchNormKept):
        return False
    switched = [e for e in s.run.events if isinstance(e, PartEvaluated | WholeInTrainMode)]
    if any(isinstance(e, PartEvaluated) for e in switched) and not _switched_on_again(switched):
        return False
    s.notes["change"] = f"`{s.event.name}`"
    return True if s.event.sure else s.unsure("whether its parameters are frozen cannot be told")


def _switched_on_again(switched: list[PartEvaluated | WholeInTrainMode]) -> bool:
    """Whether all that told a part to evaluate came before ``train()`` told the whole model to train."""
    last = switched[-1]
    parts = [e for e in switched if isinstance(e, PartEvaluated)]
    return isinstance(last, WholeInTrainMode) and not last.guard and not any(e.loops for e in parts)


@fact
def _weighted_mean(s: Subject) -> Tri:
    """Whether the loss is a mean in which each class has a weight, and nothing else was done to it."""
    return isinstance(s.event, Backward) and s.event.reduction == WEIGHTED_MEAN


@fact
def _mean_of_what_counts(s: Subject) -> Tri:
    """Whether the loss is a mean over the targets of the batch that are not to be ignored."""
    if not isinstance(s.event, Backward) or s.event.reduction != COUNTED_MEAN:
        return False
    return s.unsure("each example may have as many targets that count")


@fact
def _parameter_outside(s: Subject) -> Tri:
    """Whether a model computes with the parameter of a layer outside the layer's own call."""
    if not isinstance(s.event, ParameterOutside):
        return False
    s.notes["change"] = f"`{s.event.name}`"
    return True


@fact
def _standardises_by_the_batch(s: Subject) -> Tri:
    """Whether the model takes a statistic over the examples of the batch out of each of them."""
    if not isinstance(s.event, BatchStatistics) or s.run.argument("batch_first").equals(False) is not False:
        return False
    if s.event.given:
        return s.unsure("it may be of one example alone")
    if not s.event.sure and s.event.text.endswith("()"):
        return s.unsure("it may be a figure to look at, of which no loss is made")
    return True if s.event.sure else s.unsure("its first dimension may be another than that of the batch")


@fact
def _read_behind_padding(s: Subject) -> Tri:
    """Whether what is read lies behind the padding of the batch; whether lengths differ, the data decide."""
    return _changed_by_padding(s, averaged=False)


@fact
def _averaged_with_padding(s: Subject) -> Tri:
    """Whether the padding of the batch is in a mean over the steps; where lengths differ, it is."""
    return _changed_by_padding(s, averaged=True)


def _changed_by_padding(s: Subject, averaged: bool) -> Tri:
    if not isinstance(s.event, PaddingRead) or s.event.averaged != averaged:
        return False
    if s.run.argument("batch_first").equals(False) is not False:
        return False
    return s.unsure("all sequences of the data may have the same length")


@fact
def _mixes_examples(s: Subject) -> Tri:
    """Whether each example of the batch is added to another one of it."""
    return _coupled(s, compared=False)


@fact
def _compares_examples(s: Subject) -> Tri:
    """Whether the examples of the batch are compared with one another."""
    return _coupled(s, compared=True)


def _coupled(s: Subject, compared: bool) -> Tri:
    if not isinstance(s.event, ExamplesCoupled) or s.event.compared != compared:
        return False
    return True if s.event.sure else s.unsure("what is compared may be of one example, or of no batch")


@fact
def _records_more_than_once(s: Subject) -> Tri:
    """Whether each record is in the data more than once."""
    if not isinstance(s.event, RecordsRepeated) or s.event.of_others:
        return False
    if s.event.sure:
        return True
    return s.unsure("how often a record is there, or which part of them is taken, is not known")


@fact
def _records_made_of_others(s: Subject) -> Tri:
    """Whether the data hold records that are made out of several others."""
    if not isinstance(s.event, RecordsRepeated) or not s.event.of_others:
        return False
    return s.unsure("whether records are made depends on the balance of the data")


@fact
def _second_pass_over_a_batch(s: Subject) -> Tri:
    """Whether a loss of the very batch went backward before this one, in the same turn, for the same step."""
    event = s.event
    if not isinstance(event, Backward) or not event.loops or event.at.conditional:
        return False
    before = s.run.events[: next(i for i, e in enumerate(s.run.events) if e is event)]
    others = 0
    for e in reversed([e for e in before if e.loops == event.loops]):
        if isinstance(e, (Stepped, ZeroGrad, HooksSwitched)):
            break
        if not isinstance(e, Backward) or e.origin.node is event.origin.node:  # one pass, of several losses
            continue
        if not e.at.conditional and e.guard == event.guard:
            shared = e.fed_at & event.fed_at
            others += any(has_batch_of_its_own(s.run, event.loops, taken) for taken in shared)
    return others == 1


@fact
def _passes_again_in_turns(s: Subject) -> Tri:
    """Whether an inner loop goes backward over the very same batch in each of its turns, before one step.

    None where it is not told how many turns there are. What the loop gives may choose a piece of the batch.
    """
    event = s.event
    if not isinstance(event, Backward) or len(event.loops) < 2 or event.at.conditional or not event.fed_at:
        return False
    loop, around = event.loops[-1].loop.node, event.loops[:-1]
    if not isinstance(loop, cst.For) or reads_its_items(loop):
        return False
    if any(has_batch_of_its_own(s.run, event.loops, taken) for taken in event.fed_at):
        return False
    if not all(has_batch_of_its_own(s.run, around, taken) for taken in event.fed_at):
        return False
    within = (e for e in s.run.events if e.loops[: len(event.loops)] == event.loops)
    if any(isinstance(e, (Stepped, ZeroGrad, HooksSwitched)) for e in within):
        return False
    if not any(e.loops == around for e in s.run.happened(Stepped)):
        return False
    last = loop.iter.args[-1].value if isinstance(loop.iter, cst.Call) and loop.iter.args else None
    number = last.evaluated_value if isinstance(last, cst.Integer) else None
    return None if number is None else number > 1
