"""Torch's own optimizers, which a private run may wrap."""

from __future__ import annotations

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.ledger import Stepped
from dpmigrate.analysis.library.gradients import runs_of_raw, touch
from dpmigrate.analysis.library.registry import CallInfo, method, prefix
from dpmigrate.analysis.library.torch.models import set_to_none
from dpmigrate.analysis.library.torch.names import real
from dpmigrate.analysis.values import (
    NONE,
    NOTHING,
    Atom,
    Entry,
    Obj,
    Params,
    Seq,
    Unknown,
    Value,
    of,
)


def models_in(ip: Interpreter, value: Value, depth: int = 3) -> frozenset[Atom]:
    """The models whose parameters a value holds, however they are nested."""
    found: set[Atom] = set()
    for atom in value.atoms:
        if isinstance(atom, Params):
            found |= atom.models
        elif isinstance(atom, Unknown):
            for part in atom.parts:
                if isinstance(part, Params):
                    found |= part.models
        elif isinstance(atom, Seq) and depth:
            found |= models_in(ip, atom.each(), depth - 1)
        elif isinstance(atom, Obj) and atom.kind == "dict" and depth:
            for slot in ip.store.keys(atom):
                found |= models_in(ip, ip.read(atom, slot) or NOTHING, depth - 1)
    return frozenset(found)


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
        touch(ip, run, info.node, set_to_none(info, default=True))
    return NONE


@method("optimizer", "step")
def _optimizer_step(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    for run in runs_of_raw(ip, real(e.atom)):
        ip.happen(run, Stepped(ip.at(info.node, e.guard), raw=True))
    return NONE
