"""Facts about who changes the parameters of a private model, by which bound, and who hears of it."""

from __future__ import annotations

import libcst as cst

from dpmigrate.advisories.facts.general import fact, right_but_for_doubt
from dpmigrate.advisories.subjects import Subject
from dpmigrate.analysis.ledger import Backward, Escape, Event, Step, Stepped, Turn, Unpack
from dpmigrate.analysis.ledger.checkpoints import (
    AccountantCarried,
    OptimizerResumed,
    WeightsResumed,
    WeightsSaved,
)
from dpmigrate.analysis.ledger.expressions import OfRun
from dpmigrate.analysis.ledger.gradients import NoiseOfItsOwn
from dpmigrate.analysis.ledger.optimizing import (
    AccountantAsked,
    AccountantTold,
    NoiseAdded,
    NoiseRead,
    NormChanged,
    SteppedBeside,
    TrainableSet,
)
from dpmigrate.analysis.source.tree import contains
from dpmigrate.model import Tri


@fact
def _training_goes_on(s: Subject) -> Tri:
    """Whether a loss goes backward after this, or in the next turn of a loop around it."""
    if s.event is None:
        return False
    place = next(i for i, e in enumerate(s.run.events) if e is s.event)
    behind = s.run.events[place:]
    around = s.event.loops[len(s.run.loops) :][:1]
    passes = list(s.run.happened(Backward))
    again = bool(around) and any(around[0] in e.loops for e in passes)
    return again or any(isinstance(e, Backward) for e in behind)


@fact
def _in_training_loop(s: Subject) -> Tri:
    """Whether it happens in the loop in which the run's losses go backward, as one call goes through it.

    A loop within that one, over several optimizers, say, is a part of it.

    A method that Lightning calls for every batch is the body of one.
    """
    event = s.event
    if event is None:
        return False
    if not event.loops:
        steps = {e.chain[:1] for e in s.run.happened(Backward) if not e.loops}
        return event.chain[:1] in steps and any(map(_of_each_batch, event.chain[:1]))
    around = [(e, e.loops[-1]) for e in s.run.happened(Backward) if e.loops]
    return any(turn in event.loops and _way_to(e, turn) == _way_to(event, turn) for e, turn in around)


def _way_to(event: Event, turn: Turn) -> tuple[Step, ...]:
    """The calls on the way to a loop around an event, without those that its body makes."""
    loop = turn.loop.node
    inside = (i for i, step in enumerate(event.chain) if contains(loop, step.through.node))
    return event.chain[: next(inside, len(event.chain))]


def _of_each_batch(step: Step) -> bool:
    """Whether the way to a place begins in a method that is called for every batch."""
    node = step.through.node
    return isinstance(node, cst.FunctionDef) and node.name.value == "training_step"


@fact
def _asked_for_its_noise_alone(s: Subject) -> Tri:
    """Whether the run trains nothing: its model is thrown away, and its noise multiplier is read."""
    if not any(True for _ in s.run.happened(NoiseRead)) or any(True for _ in s.run.happened(Backward)):
        return False
    targets = [e.origin.node for e in s.run.happened(Unpack)]
    return bool(targets) and all(map(_throws_the_model_away, targets))


@fact
def _noise_of_its_own(s: Subject) -> Tri:
    """Whether the program puts noise of its own in the place of Opacus's."""
    return any(True for _ in s.run.happened(NoiseOfItsOwn))


def _throws_the_model_away(target: cst.CSTNode) -> bool:
    first = (
        target.elements[0].value if isinstance(target, (cst.Tuple, cst.List)) and target.elements else None
    )
    return isinstance(first, cst.Name) and first.value.startswith("_")


@fact
def _stepped_by_another(s: Subject) -> Tri:
    """Whether another optimizer alone steps in the very loop in which this loss goes backward."""
    if s.event is None or not s.event.loops:
        return False
    loop = s.event.loops[-1]
    steps = [e for e in s.run.events if isinstance(e, (Stepped, SteppedBeside)) and loop in e.loops]
    return bool(steps) and all(isinstance(e, SteppedBeside) for e in steps)


@fact
def _takes_gradients_before_the_noise(s: Subject) -> Tri:
    """Whether another optimizer steps where the private one does, on gradients that it has not come to."""
    if not isinstance(s.event, SteppedBeside) or not s.event.before_noise:
        return False
    batches = {e.loops[-1] for e in s.run.happened(Backward) if e.loops} & set(s.event.loops)
    return any(not e.raw and not batches.isdisjoint(e.loops) for e in s.run.happened(Stepped))


@fact
def _thrown_away(s: Subject) -> Tri:
    """Whether the call that makes the run is a statement by itself: nothing holds what it returned."""
    if s.run.manual:
        return False
    return isinstance(next(iter(s.run.module.nesting.above(s.run.origin.node)), None), cst.Expr)


@fact
def _norm_of_noise(s: Subject) -> Tri:
    """Whether it is the optimizer's norm that is changed, which the noise goes by."""
    return isinstance(s.event, NormChanged) and s.event.of == "optimizer"


@fact
def _norm_of_model_follows(s: Subject) -> Tri:
    """Whether the model's own norm is changed as well."""
    return any(e.of == "model" for e in s.run.happened(NormChanged))


@fact
def _unfrozen_late(s: Subject) -> Tri:
    """Whether what was frozen before the run was made is unfrozen for good."""
    if not isinstance(s.event, TrainableSet) or not s.event.trainable or not s.event.before:
        return False
    return all(e.trainable for e in s.run.happened(TrainableSet))


@fact
def _frozen_late(s: Subject) -> Tri:
    """Whether parameters are frozen for good after the run was made."""
    if not isinstance(s.event, TrainableSet) or s.event.trainable:
        return False
    return not any(e.trainable for e in s.run.happened(TrainableSet))


@fact
def _whole_model_optimized(s: Subject) -> Tri:
    """Whether the optimizer that was handed over has the parameters of the whole model."""
    models = {model.key for model in s.run.models}
    trained = {model.key for optimizer in s.run.optimizers for model in optimizer.models}
    if not models or not trained:
        return None
    return bool(models & trained - {key for optimizer in s.run.optimizers for key in optimizer.in_part})


@fact
def _raw(s: Subject) -> Tri:
    """Whether it is the step of the optimizer that was handed over, past the private one."""
    if not isinstance(s.event, Stepped) or not s.event.raw:
        return False
    return not right_but_for_doubt(s, lambda e: isinstance(e, Stepped) and not e.raw)


@fact
def _noise_added_by_hand(s: Subject) -> Tri:
    return any(True for _ in s.run.happened(NoiseAdded))


@fact
def _steps_privately(s: Subject) -> Tri:
    """Whether the private optimizer itself takes steps."""
    return any(not e.raw for e in s.run.happened(Stepped))


@fact
def _beside_an_engine(s: Subject) -> Tri:
    """Whether an optimizer is wrapped by hand for a model that an engine has made private."""
    return s.run.manual and any(isinstance(what, OfRun) for what in s.run.argument("module").each)


@fact
def _accountant_told(s: Subject) -> Tri:
    """Whether the program tells an accountant of its steps; code that gets the optimizer may do so."""
    if any(True for _ in s.run.happened(AccountantTold)):
        return True
    handed_on = any(e.what == "dp-optimizer" for e in s.run.happened(Escape))
    return s.unsure("code that is given the optimizer may tell an accountant") if handed_on else False


@fact
def _takes_the_accountants_place(s: Subject) -> Tri:
    """Whether a hook that is put in the place of the accountant's own says nothing of steps to anybody."""
    return s.unsure("what the hook calls may tell the accountant")


@fact
def _told_of_more_noise(s: Subject) -> Tri:
    """Whether an accountant of the program's own is told of a larger noise multiplier than the run has."""
    if not isinstance(s.event, AccountantTold):
        return False
    told, added = s.event.noise.number, s.run.argument("noise_multiplier").amount.number
    if told is None or added is None or told <= added:
        return False
    s.notes["told"], s.notes["added"] = f"{told:g}", f"{added:g}"
    return True


@fact
def _told_after_training(s: Subject) -> Tri:
    """Whether an accountant is told of steps once all are taken: before, it may only be asked what if."""
    event = s.event
    if not isinstance(event, AccountantTold) or not event.last or _in_training_loop(s):
        return False
    place = next(i for i, e in enumerate(s.run.events) if e is event)
    steps = [e for e in s.run.events[:place] if isinstance(e, Stepped)]
    followed = any(event.chain[: len(e.chain)] == e.chain for e in steps)
    return s.unsure("it may be told of them to learn what would be spent") if followed else False


@fact
def _accountant_asked(s: Subject) -> Tri:
    """Whether the program asks an accountant of its own for an epsilon."""
    return any(True for _ in s.run.happened(AccountantAsked))


@fact
def _begins_with_them(s: Subject) -> Tri:
    """Whether training begins with these weights: no loss went backward before, and no loop comes back.

    One over the parts of a checkpoint (``for name, part in parts.items()``) comes to each of them once.
    """
    if s.event is None or any(turn.number is None for turn in s.event.loops[len(s.run.loops) :]):
        return False
    place = next(i for i, e in enumerate(s.run.events) if e is s.event)
    return not any(isinstance(e, Backward) for e in s.run.events[:place])


@fact
def _written_by_this_run(s: Subject) -> Tri:
    """Whether the program itself writes a private model's weights to the file that these come from.

    None where another of its runs does, which may be on other records after all.

    A file that somebody names may be one: where it has the weights under a key that the program writes, and
    the state of an optimizer beside them.
    """
    event = s.event
    if not isinstance(event, WeightsResumed):
        return False
    written = list(s.run.happened(WeightsSaved))
    here = [e for e in written if (e.path is not None and e.path == event.path) or _one_file(e, event)]
    if here:
        another = all(e.by_another for e in here)
        return s.unsure("the run that writes it may be on other records") if another else True
    alike = [e for e in written if event.key in e.keys]
    if any(event.may_be(e) for e in (written if event.looked_up and not event.key else alike)):
        return s.unsure("the file may be another than those that are written here")
    if not alike or not any(e.file == event.file for e in s.run.happened(OptimizerResumed)):
        return False
    return s.unsure("the file may be another than the one that is written here")


def _one_file(written: WeightsSaved, read: WeightsResumed) -> bool:
    """Whether two paths are put together of the same, with something that the program names."""
    named = any(isinstance(piece, str) for piece in read.pieces)
    return named and not read.looked_up and written.pieces == read.pieces


@fact
def _accountant_carried(s: Subject) -> Tri:
    """Whether the accountant's state is taken from where it was; None where it is only saved."""
    if s.run.engine is None or s.run.engine.accountant is None:
        return None if s.run.engine is None else True
    saved = any(True for _ in s.run.happened(AccountantCarried))
    return (
        s.unsure("the accountant's state is saved, and may be taken from there elsewhere") if saved else False
    )
