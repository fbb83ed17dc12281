"""Torch's own optimizers, which a private run may wrap."""

from __future__ import annotations

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.ledger import Stepped
from dpmigrate.analysis.library.gradients import runs_of_raw, touch
from dpmigrate.analysis.library.registry import CallInfo, method, prefix
from dpmigrate.analysis.library.torch.models import models_in, set_to_none
from dpmigrate.analysis.library.torch.names import real
from dpmigrate.analysis.values import (
    NONE,
    Entry,
    Value,
    of,
)


@prefix("torch.optim.", "transformers.AdamW", "transformers.optimization.", "bitsandbytes.optim.")
def _make_optimizer(ip: Interpreter, info: CallInfo) -> Value:
    if ".lr_scheduler." in info.name or "schedule" in info.name:
        return ip.unknown(info.node, "a scheduler")
    made = ip.new("optimizer", info.node, info.name)
    ip.notes.setdefault(("models", made), set()).update(models_in(ip, info.argument(0, "params")))
    return of(made)


@method("optimizer", "__init__")
def _init_optimizer(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    ip.notes.setdefault(("models", real(e.atom)), set()).update(models_in(ip, info.argument(0, "params")))
    return NONE


@method("optimizer", "zero_grad")
def _optimizer_zero_grad(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    for run in runs_of_raw(ip, real(e.atom)):
        touch(ip, run, info.node, set_to_none(info, default=True), raw=True)
    return NONE


@method("optimizer", "step")
def _optimizer_step(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    for run in runs_of_raw(ip, real(e.atom)):
        ip.happen(run, Stepped(ip.at(info.node, e.guard), raw=True))
    return NONE
