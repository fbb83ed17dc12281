"""What happens to gradients: backward passes, steps, and what first touches them after a step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.describing import maker_of
from dpmigrate.analysis.domain.atoms import Atom, Const, External, Obj, Tensor, Unknown
from dpmigrate.analysis.domain.values import Value, const
from dpmigrate.analysis.guards import ALWAYS, Guard
from dpmigrate.analysis.language.holding import runs_of_model
from dpmigrate.analysis.ledger import (
    Backward,
    Escape,
    FirstTouch,
    LossKind,
    Stepped,
    Touching,
    ZeroGrad,
)
from dpmigrate.analysis.library import feeding, pending, trained_before, trained_plainly, unused
from dpmigrate.analysis.library.torch.structure import MODELS
from dpmigrate.analysis.training import TrainingRun


def runs_of_raw(ip: Interpreter, atom: Atom) -> Iterator[TrainingRun]:
    """The runs made so far from an object that was handed to ``make_private``."""
    yield from list(ip.runs_by_object.get(atom, {}).values())


def _slot(run: TrainingRun) -> tuple[str, int]:
    return ("gradients", id(run))


def step_taken(ip: Interpreter, run: TrainingRun, node: cst.CSTNode, guard: Guard = ALWAYS) -> None:
    """The DP optimizer stepped."""
    ip.happen(run, Stepped(ip.at(node, guard), raw=False))
    trained_before.step_of(ip, run, guard)
    pending.step(ip, run, node, guard)
    feeding.gradients_taken(ip, run, node, guard)
    unused.end(ip, run, used=True)
    ip.store.set(_slot(run), "state", const("stepped"))


def touch(
    ip: Interpreter,
    run: TrainingRun,
    node: cst.CSTNode,
    how: Touching,
    guard: Guard = ALWAYS,
    raw: bool = False,
) -> None:
    """Something touched the run's gradients: "none", "inplace", "backward" or "unknown".

    ``raw``: through the module or optimizer that was passed in.
    """
    pending.touch_pending(ip, run, node, how, raw)
    if how != "backward":
        feeding.gradients_gone(ip, run)
        unused.end(ip, run, used=how == "unknown")
        ip.happen(run, ZeroGrad(ip.at(node, guard), how))
    state = ip.read(_slot(run), "state")
    if state is not None and Const("stepped") in state.atoms:
        ip.happen(run, FirstTouch(ip.at(node, guard), how))
    ip.store.set(_slot(run), "state", const("touched"))


def record_backward(
    ip: Interpreter, losses: Value, node: cst.CSTNode, via: str, retained: bool = False
) -> None:
    """A backward pass over a value: which runs' gradients it makes, from a loss made by what."""
    passed: set[TrainingRun] = set()
    for e in losses.entries:
        if not isinstance(e.atom, Tensor):
            pending.may_be_made(ip)
            continue
        t = e.atom
        behind = _runs_behind(ip, t)
        if not behind and (t.maker is None or isinstance(t.maker, Unknown)):
            pending.may_be_made(ip)
        elif not behind:
            trained_plainly.gradients_made(ip, t, e.guard)
            ip.plain_passes[ip.module, node, ip.context] = None
            if not t.sources:  # the criterion is known, and the outputs may be anybody's
                pending.may_be_made(ip)
        for run, loss in behind:
            ip.happen(
                run,
                Backward(
                    ip.at(node, e.guard),
                    loss,
                    maker_of(t.maker),
                    t.steps,
                    via,
                    retained,
                    through=_reaches_another(ip, run, t),
                    reduction=_reduced_by(t),
                    fed_at=frozenset(b.origin for one in feeding.through(ip, run, t) for b in one.batches),
                ),
            )
            if loss == "returned-criterion" and run not in passed:  # its entries are one of several
                passed.add(run)
                pending.passed(ip, run, node)
            touch(ip, run, node, "backward", e.guard)
            feeding.gradients_fed(ip, run, t, e.guard)
            unused.wait(ip, run, ip.at(node, e.guard))


def _reduced_by(t: Tensor) -> str:
    """What made one number of the losses: the criterion itself, or else the last mean or sum."""
    if t.reduction not in (None, "none"):
        return t.reduction  # ``loss.sum()`` of one number is that number
    last = next((step for step in reversed(t.steps) if step in ("mean", "sum")), None)
    return last or t.reduction or ""


def _reaches_another(ip: Interpreter, run: TrainingRun, t: Tensor) -> bool:
    """Whether the gradient also goes to a model that another optimizer trains, such as a GAN's generator."""
    others = t.reached - run.raw_models
    if len(t.reached) < 2 or not others:
        return False
    of_others = (models for made, models in MODELS.of(ip).items() if made not in run.raw_optimizers)
    return any(not others.isdisjoint(models) for models in of_others)


def _runs_behind(ip: Interpreter, t: Tensor) -> list[tuple[TrainingRun, LossKind]]:
    if t.detached:
        return []
    maker = t.maker
    if isinstance(maker, Obj) and maker.kind == "dp-criterion":
        of_outputs = {id(run): run for source in t.sources for run in runs_of_model(ip, source)}
        if not of_outputs or id(maker.data) in of_outputs:
            return [(maker.data, "returned-criterion")]
        return [(run, "other") for run in of_outputs.values()]  # it scales by what another model's norms are
    if isinstance(t.coefficient, Obj):
        return [(t.coefficient.data, "two-pass")]
    runs: dict[int, tuple[TrainingRun, LossKind]] = {}
    for source in t.sources:
        for run in runs_of_model(ip, source):
            runs[id(run)] = (run, _kind_of_loss(run, maker))
    if maker is not None and not t.sources:
        # Of outputs that cannot be followed, the criterion that was handed over tells whose they are.
        for run in runs_of_raw(ip, maker):
            runs[id(run)] = (run, "other")
    return list(runs.values())


IN_MODEL = "the model"
"""Where a wrapped criterion that the model keeps has gone, in an "escape" event."""


def doubt_losses_of_model(run: TrainingRun) -> None:
    """Take back what was said of losses that the model made, now that it may make them with the criterion."""
    for place, event in enumerate(run.events):
        if isinstance(event, Backward) and event.loss == "other" and event.maker.kind in ("model", "class"):
            run.events[place] = replace(event, loss="unknown")


def _is_model(maker: Atom | None) -> bool:
    return isinstance(maker, Obj) and maker.kind in ("instance", "model", "dp-model")


def _kind_of_loss(run: TrainingRun, maker: Atom | None) -> LossKind:
    """Whether a loss of the model is surely made by something else than the wrapped criterion."""
    if _is_model(maker) and any(e.into == IN_MODEL for e in run.happened(Escape)):
        return "unknown"
    if isinstance(maker, Obj) and maker.kind in ("criterion", "instance", "model", "dp-model"):
        return "other"
    if isinstance(maker, External) and not maker.name.startswith("builtins."):
        return "other"
    if maker is None or isinstance(maker, (Unknown, External)):
        return "unknown"
    return "unknown"


__all__ = ["record_backward", "runs_of_raw", "step_taken", "touch"]
