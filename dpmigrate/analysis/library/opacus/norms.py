"""The clipping norm, changed after the run is made: by a schedule of Opacus, or by an assignment.

In ghost mode the model clips by its own ``max_grad_norm`` and the optimizer scales the noise by its own.
Schedules set the optimizer's alone (source: ``opacus.schedulers`` of 1.5 to 1.6.0).
"""

from __future__ import annotations

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.values import NONE, NOTHING, Entry, Value, of
from dpmigrate.analysis.ledger.optimizing import NormChanged
from dpmigrate.analysis.library.opacus.runs import run_of
from dpmigrate.analysis.registry import CallInfo, function, method, prefix
from dpmigrate.analysis.training import entries_of_kind


@prefix("opacus.schedulers.")
def _make_schedule(ip: Interpreter, info: CallInfo) -> Value:
    if not info.name.endswith("GradClip"):
        return ip.unknown(info.node, "a schedule")
    made = ip.new("norm-schedule", info.node, info.name)
    ip.store.set(made, "<optimizer>", info.argument(0, "optimizer"))
    return of(made)


@method("norm-schedule", "step")
def _step(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    scheduled = ip.read(e.atom, "<optimizer>") or NOTHING
    for entry, optimizer in entries_of_kind(scheduled, "dp-optimizer"):
        here = ip.at(info.node, e.guard | entry.guard)
        ip.happen(optimizer.data, NormChanged(here, "optimizer", "schedule"))
    return NONE


@function("<assign dp-optimizer.max_grad_norm>")
def _assign_optimizers(ip: Interpreter, info: CallInfo) -> Value:
    optimizer, new = info.positional
    for e in optimizer.entries:
        # What make_private was given is no change, whoever writes it once more.
        if new.only is None or new.only != run_of(e).argument("max_grad_norm").only:
            ip.happen(run_of(e), NormChanged(ip.at(info.node, e.guard), "optimizer", "assignment"))
    return NONE


@function("<assign dp-model.max_grad_norm>")
def _assign_models(ip: Interpreter, info: CallInfo) -> Value:
    for e in info.positional[0].entries:
        ip.happen(run_of(e), NormChanged(ip.at(info.node, e.guard), "model", "assignment"))
    return NONE
