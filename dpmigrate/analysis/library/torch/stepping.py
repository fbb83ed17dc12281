"""Steps of torch's own optimizers on parameters of a private model: no noise is added in them."""

from __future__ import annotations

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Obj, Unknown
from dpmigrate.analysis.domain.values import NONE, Value
from dpmigrate.analysis.guards import Guard
from dpmigrate.analysis.language.holding import runs_of_model
from dpmigrate.analysis.ledger import Stepped
from dpmigrate.analysis.ledger.optimizing import SteppedBeside
from dpmigrate.analysis.library import feeding, pending, trained_plainly, unused
from dpmigrate.analysis.library.passed import runs_before
from dpmigrate.analysis.registry import CallInfo, function
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
    models = list(ip.notes.get(("models", optimizer), ()))
    trained_plainly.step_taken(ip, models, node, guard)
    beside = dict.fromkeys(run for model in models for run in runs_of_model(ip, model) if run in there)
    for run in beside:
        if _one_of_each(ip, optimizer, run):
            name = str(optimizer.data or "another optimizer")
            unused.end(ip, run, used=True)
            ip.happen(run, SteppedBeside(ip.at(node, guard), name, before_noise=pending.waits(ip, run)))


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


def _one_of_each(ip: Interpreter, optimizer: Obj, run: TrainingRun) -> bool:
    """Whether the optimizer is made once for each run, and not in a loop that the run is outside of."""
    made = ip.births.get(optimizer)
    return made is not None and made.loops == run.loops[: len(made.loops)]
