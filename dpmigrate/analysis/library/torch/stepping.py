"""Steps of torch's own optimizers on parameters of a private model: no noise is added in them."""

from __future__ import annotations

import re

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Atom, Obj, Params, Unknown
from dpmigrate.analysis.domain.values import NONE, Value
from dpmigrate.analysis.guards import Guard
from dpmigrate.analysis.language.holding import parameter_of, runs_of_model
from dpmigrate.analysis.ledger import Stepped
from dpmigrate.analysis.ledger.optimizing import MovedByHand, SteppedBeside
from dpmigrate.analysis.library import feeding, pending, trained_plainly, unused
from dpmigrate.analysis.library.passed import runs_before
from dpmigrate.analysis.library.torch.structure import IN_PART, MODELS
from dpmigrate.analysis.registry import CallInfo, function
from dpmigrate.analysis.source.tree import every
from dpmigrate.analysis.training import TrainingRun, entries_of_kind

_READ = (cst.Name, cst.Attribute, cst.Subscript)
"""What holds an optimizer and can be looked at once more, without calling anything."""


def plain_step(ip: Interpreter, optimizer: Obj, node: cst.CSTNode, guard: Guard) -> None:
    """An optimizer of torch steps: the one that a run was given, or another one beside it."""
    there = runs_before(ip, node)
    if _may_be_private(ip, node):
        return
    given = [run for run in there if optimizer in run.raw_optimizers]
    for run in given:
        ip.happen(run, Stepped(ip.at(node, guard), raw=True))
        feeding.gradients_taken(ip, run, node, guard, raw=True)
        unused.end(ip, run, used=True)
    for run in ip.runs.values():
        if optimizer in run.raw_optimizers:
            feeding.gradients_gone(ip, run)
    if given or any(optimizer in run.raw_optimizers for run in ip.runs.values()):
        return
    models = list(MODELS.of(ip).get(optimizer, ()))
    trained_plainly.step_taken(ip, models, node, guard)
    beside = dict.fromkeys(run for model in models for run in runs_of_model(ip, model) if run in there)
    for run in beside:
        before_noise = pending.waits(ip, run)
        of_its_model = before_noise and all(_made_with(ip, model, run) for model in models)
        if _made_with(ip, optimizer, run) or of_its_model:
            name = str(optimizer.data or "another optimizer")
            unused.end(ip, run, used=True)
            same = _trains_all_of(ip, run, models)
            ip.happen(run, SteppedBeside(ip.at(node, guard), name, before_noise, same))


def _trains_all_of(ip: Interpreter, run: TrainingRun, models: list[Atom]) -> bool:
    """Whether the optimizer that a run was given has all parameters of some models, or parts of one."""
    whole = [MODELS.of(ip).get(made, set()) - IN_PART.of(ip).get(made, set()) for made in run.raw_optimizers]
    return bool(models) and bool(whole) and all(set(models) <= trained for trained in whole)


@function("<step of something unknown>")
def _step_of_what_was_passed(ip: Interpreter, info: CallInfo) -> Value:
    """An optimizer that came in from outside steps, which a run was given."""
    there = runs_before(ip, info.node)
    for e in info.positional[0].entries:
        given = [r for r in there if isinstance(e.atom, Unknown) and e.atom in r.argument("optimizer").atoms]
        for run in given if not _may_be_private(ip, info.node) else ():
            unused.end(ip, run, used=True)
            ip.happen(run, Stepped(ip.at(info.node, e.guard), raw=True))
    return NONE


def _may_be_private(ip: Interpreter, node: cst.CSTNode) -> bool:
    """Whether what is stepped may also be a private optimizer, which a flag decides that cannot be told."""
    func = node.func if isinstance(node, cst.Call) else None
    if not isinstance(func, cst.Attribute) or not isinstance(func.value, _READ):
        return False
    return any(True for _ in entries_of_kind(ip.evaluate(func.value), "dp-optimizer"))


def _made_with(ip: Interpreter, made: Atom, run: TrainingRun) -> bool:
    """Whether it is made once for each run, and not in a loop that the run is outside of: one of many.

    One that is followed turn by turn makes another one in each.
    """
    if isinstance(made, Obj) and made.data is run:
        return True
    born = ip.births.get(made) if isinstance(made, Obj) else None
    if born is None:
        return False
    loops = [turn for turn in born.loops if turn.number is None or turn in run.loops]
    return tuple(loops) == run.loops[: len(loops)]


@function("<changed by an operator>")
def _changed_by_an_operator(ip: Interpreter, info: CallInfo) -> Value:
    """``w -= rate * w.grad``."""
    if isinstance(info.node, cst.AugAssign):
        moved_along(ip, info.positional[0], info.node.value, info.node)
    return NONE


_OF_NOISE = re.compile(r"noise|rand|normal|gauss|laplace|grad_sample|summed", re.IGNORECASE)


def moved_along(ip: Interpreter, weights: Value, by: cst.CSTNode, node: cst.CSTNode) -> None:
    """Parameters are moved by something: along their gradients, where it reads those and nothing of noise."""
    names = [part.value for part in every(by) if isinstance(part, cst.Name)]
    if "grad" not in names or any(map(_OF_NOISE.search, names)):
        return
    there = runs_before(ip, node)
    for e in weights.entries:
        moved = parameter_of(e.atom) if isinstance(e.atom, Unknown) else e.atom
        models = moved.models if isinstance(moved, Params) and not moved.of_gradient else ()
        for run in dict.fromkeys(run for model in models for run in runs_of_model(ip, model)):
            if run in there and pending.waits(ip, run):
                unused.end(ip, run, used=True)
                ip.happen(run, MovedByHand(ip.at(node, e.guard)))
