"""Facts about gradients between the backward pass and the step."""

from __future__ import annotations

import libcst as cst

from dpmigrate.advisories.facts.general import fact, splits_no_batch
from dpmigrate.advisories.subjects import Subject
from dpmigrate.analysis.ledger import Origin, PrivateRun, Turn
from dpmigrate.analysis.ledger.accounting import EpsilonAsked
from dpmigrate.analysis.ledger.events import (
    Backward,
    DoubleBackward,
    Escape,
    HooksSwitched,
    Iterated,
    ManagerUsed,
    Seeded,
    StateSetBack,
    Stepped,
    TurnFed,
    ZeroGrad,
)
from dpmigrate.analysis.ledger.gradients import (
    ColumnOfLosses,
    FlattenedLoss,
    GradientChanged,
    GradientsLost,
    GradientsUnused,
    GradientsUsed,
    SteppedEvery,
    SteppedVirtually,
    StepPutOff,
)
from dpmigrate.analysis.ledger.sampling import BatchSkipped
from dpmigrate.model import Tri


@fact
def _hooks(s: Subject) -> Tri:
    """Whether the mode is hooks; other modes without ghost clipping have ways of their own."""
    return None if s.run.mode == "?" else s.run.mode == "hooks"


@fact
def _only_made_smaller(s: Subject) -> Tri:
    """Whether the change is that of ``clip_grad_norm_``, which enlarges nobody's part of the sum."""
    return isinstance(s.event, GradientChanged) and s.event.how == "clipped"


@fact
def _of_private_objects(s: Subject) -> Tri:
    """Whether the private model or optimizer clears the gradients, per-sample gradients included."""
    return isinstance(s.event, GradientsLost) and not s.event.raw


@fact
def _cleared_unused(s: Subject) -> Tri:
    """Whether the gradients of this very pass are cleared before any step: it is no training."""
    if not isinstance(s.event, Backward) or any(e.what == "dp-optimizer" for e in s.run.happened(Escape)):
        return False
    place = (s.event.origin.node, s.event.chain)
    used = [e for e in s.run.happened(GradientsUsed) if (e.origin.node, e.chain) == place]
    unused = [e for e in s.run.happened(GradientsUnused) if (e.origin.node, e.chain) == place]
    return not used and bool(unused)


@fact
def _under_a_memory_manager(s: Subject) -> Tri:
    """Whether a batch memory manager puts the logical batches together."""
    return any(True for _ in s.run.happened(ManagerUsed))


@fact
def _for_an_empty_batch(s: Subject) -> Tri:
    """Whether it is an empty batch that gets no step."""
    return isinstance(s.event, BatchSkipped) and s.event.empty


@fact
def _left_out_for_another_reason(s: Subject) -> Tri:
    """Whether a batch gets no step and others come after it; whether the reason is ever there is not told."""
    if not isinstance(s.event, BatchSkipped) or s.event.empty or s.event.stepped:
        return False
    if s.event.how == "break" and s.event.last:
        return False
    return s.unsure("nothing here says that it ever comes to that")


@fact
def _left_within_a_logical_batch(s: Subject) -> Tri:
    """Whether the loop is left after a step that may only have added up a part of a logical batch.

    Whether it ever is one of those is not told; nothing comes of it where no batch comes after.
    """
    if not isinstance(s.event, BatchSkipped) or not s.event.stepped or s.event.last:
        return False
    managers = list(s.run.happened(ManagerUsed))
    if managers and all(splits_no_batch(s.run, e.maximum) for e in managers):
        return False
    return s.unsure("it may be left behind whole logical batches only")


@fact
def _stepped_by_a_counter(s: Subject) -> Tri:
    """Whether a step of the run is taken once in several turns, as a counter has it."""
    return any(True for _ in s.run.happened(SteppedEvery))


@fact
def _makes_gradients_each_turn(s: Subject) -> Tri:
    """Whether the loop makes gradients in every turn, and steps in some of them alone."""
    event = s.event
    if not isinstance(event, SteppedEvery):
        return False
    if any(e.loops == event.loops for e in s.run.happened(SteppedVirtually)):
        return False  # the first turn that takes no step raises (DPM411)
    passes = (*s.run.happened(Backward), *s.run.happened(DoubleBackward))
    # One that stands under the test of the counter with the step is made for that step alone.
    each = any(e.loops == event.loops and not e.at.conditional and e.guard <= event.guard for e in passes)
    return each and (True if event.known else None)


@fact
def _in_turns_of_the_private_loader(s: Subject) -> Tri:
    """Whether it happens once for each batch of the engine's own loader, and not for pieces of one."""
    if isinstance(s.event, StepPutOff) and s.event.by_trainer:
        return True
    if s.event is None or not s.event.loops:
        return False
    turn = s.event.loops
    return any(has_batch_of_its_own(s.run, turn, e.origin) for e in s.run.happened(Iterated))


def has_batch_of_its_own(run: PrivateRun, turn: tuple[Turn, ...], taken: Origin) -> bool:
    """Whether each turn of the innermost loop takes another batch at a place, by ``in`` or by ``next``."""
    for fed in run.happened(TurnFed):
        if fed.origin == turn[-1].loop and taken in fed.taken:
            return True
    called = taken.node.func if isinstance(taken.node, cst.Call) else None
    if not isinstance(called, cst.Name) or called.value != "next":
        return False
    return any(e.origin == taken and e.loops == turn for e in run.happened(Iterated))


@fact
def _in_number_known(s: Subject) -> Tri:
    """Whether the program itself says that the step is put off for more than one turn."""
    if isinstance(s.event, StepPutOff) and s.event.known:
        return True
    return s.unsure("it may be put off for one turn alone, which is none")


@fact
def _gradients_kept_between_steps(s: Subject) -> Tri:
    """Whether nothing clears the gradients in the turns that take no step."""
    if s.event is None:
        return False
    turn = s.event.loops
    clearings = [e for e in s.run.happened(ZeroGrad) if e.loops[: len(turn)] == turn]
    return not any(e.guard <= s.event.guard and not e.at.conditional for e in clearings)


@fact
def _epsilon_aimed_at(s: Subject) -> Tri:
    """Whether the noise is chosen for an epsilon that training is to end with."""
    return any(e.aimed for e in s.run.happened(EpsilonAsked))


@fact
def _same_seed_each_time(s: Subject) -> Tri:
    """Whether the noise begins anew with one seed in every turn of a loop that takes steps."""
    if not isinstance(s.event, Seeded) or not s.event.repeats:
        return False
    if s.event.in_turns:
        return any(e.via == "Lightning" for e in s.run.happened(Backward))
    around = s.event.loops
    way = s.event.chain
    if any(e.loops == around and e.chain == way[: len(e.chain)] for e in s.run.happened(StateSetBack)):
        return False
    outermost = len(s.run.loops) + 1 if s.event.everywhere else len(around)
    ways = [around[:depth] for depth in range(outermost, len(around) + 1)]
    return any(e.loops[: len(loops)] == loops for e in s.run.happened(Backward) for loops in ways)


@fact
def _column_of_losses(s: Subject) -> Tri:
    """Whether the losses have shape [B, 1], or [B, B] where the targets have none of the columns."""
    if not isinstance(s.event, ColumnOfLosses) or s.event.columns != 1:
        return False
    s.notes["criterion"] = f"`{s.event.criterion}`"
    return True


@fact
def _several_losses_of_each(s: Subject) -> Tri:
    """Whether the losses have shape [B, D]."""
    if not isinstance(s.event, ColumnOfLosses) or s.event.columns == 1:
        return False
    s.notes["criterion"] = f"`{s.event.criterion}`"
    s.notes["change"] = str(s.event.columns or "T")
    return True


@fact
def _of_tokens(s: Subject) -> Tri:
    """Whether each token of a sequence has a loss of its own; None where only a name says so.

    None also with sums, where the clipped gradient of a single sequence is right all the same, and with a
    criterion of the project, which may take the tokens together.
    """
    if not isinstance(s.event, FlattenedLoss):
        return False
    summed = s.run.argument("loss_reduction").equals("sum") is not False
    others = [w for w in s.run.argument("criterion").things if w.kind != "criterion"]
    if s.event.sure and not summed and not others:
        return True
    return s.unsure("the tokens of a sequence may be put together after all")


@fact
def _left_off(s: Subject) -> Tri:
    """Whether the hooks are switched off here and nowhere in this loop on again.

    Code that gets the model may do so.
    """
    event = s.event
    if not isinstance(event, HooksSwitched) or event.enabled:
        return False
    on = [e for e in s.run.happened(HooksSwitched) if e.enabled]
    inside = [e for e in on if e.loops[: len(event.loops)] == event.loops]
    if any(e.guard <= event.guard and not e.at.conditional for e in inside):
        return False
    if inside:  # on some way
        return None
    return None if any(e.what == "dp-model" for e in s.run.happened(Escape)) else True


@fact
def _off_for_good(s: Subject) -> Tri:
    """Whether the hooks are switched off in a loop that takes private steps, and nowhere on again."""
    event = s.event
    if not isinstance(event, HooksSwitched) or event.enabled or not event.loops:
        return False
    if any(e.enabled for e in s.run.happened(HooksSwitched)):
        return False
    within = event.loops[len(s.run.loops) :]
    if not any(turn in e.loops for e in s.run.happened(Stepped) if not e.raw for turn in within):
        return False
    return None if any(e.what == "dp-model" for e in s.run.happened(Escape)) else True


@fact
def _two_passes_by_hand(s: Subject) -> Tri:
    """Whether the second of two passes by hand follows: a loss times its clipping factor goes backward."""
    return any(e.loss == "two-pass" for e in s.run.happened(Backward))


@fact
def _wrapped_loss_made(s: Subject) -> Tri:
    """Whether losses of the returned criterion go backward, which switches the hooks on again after it."""
    return any(e.loss == "returned-criterion" for e in s.run.happened(Backward))
