"""Lightning, which owns the loop: what its trainer calls on a module, and what becomes of a step's loss."""

from __future__ import annotations

from dataclasses import replace

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Atom, Const, Obj
from dpmigrate.analysis.domain.values import (
    NONE,
    NOTHING,
    Class,
    Entry,
    Function,
    Seq,
    Value,
    const,
    join_all,
    of,
)
from dpmigrate.analysis.guards import ALWAYS
from dpmigrate.analysis.language.assignment import iterate
from dpmigrate.analysis.language.calls import call_method
from dpmigrate.analysis.language.classes import BASE_KINDS, external_names, find_member
from dpmigrate.analysis.library import feeding, pending, unused
from dpmigrate.analysis.library.gradients import record_backward
from dpmigrate.analysis.library.torch.names import real
from dpmigrate.analysis.registry import CallInfo, function, method
from dpmigrate.analysis.source.mentions import BY_OTHERS
from dpmigrate.analysis.source.tree import children
from dpmigrate.analysis.training import entries_of_kind

_PACKAGES = ("pytorch_lightning", "lightning", "lightning.pytorch")
MODULES = frozenset(
    f"{package}.{place}LightningModule"
    for package in _PACKAGES
    for place in ("", "core.", "core.lightning.", "core.module.")
)
BASE_KINDS.update(dict.fromkeys(MODULES, "model"))

_AUTOMATIC = "automatic_optimization"
_OPTIMIZERS = "<configured optimizers>"
_LOADERS = "train_dataloader"
"""What a module sees of the loaders as ``self.trainer.train_dataloader``, from ``on_train_start`` on."""
_CALLED = {
    "setup": ("stage",),
    "configure_optimizers": (),
    "on_fit_start": (),
    "on_train_start": (),
    "on_train_epoch_start": (),
    "on_train_batch_start": ("batch", "batch_idx"),
    "training_step": ("batch", "batch_idx"),
    "on_train_batch_end": ("outputs", "batch", "batch_idx"),
    "on_train_epoch_end": (),
    "on_train_end": (),
}
"""The methods that ``fit`` calls, in order, and what it passes."""


_BEFORE_THE_STEP = {
    "on_after_backward": ("trainer", "module"),
    "on_before_optimizer_step": ("trainer", "module", "optimizer"),
}
"""What it calls on callbacks, and without the first two on the module, before an automatic step."""


@function(*(f"{package}.{place}Trainer" for package in _PACKAGES for place in ("", "trainer.")))
def _trainer(ip: Interpreter, info: CallInfo) -> Value:
    made = ip.new("lightning-trainer", info.node)
    for name in ("callbacks", "gradient_clip_val"):
        if given := info.argument(None, name):
            ip.store.set(made, name, given)
    return of(made)


@method("lightning-trainer", "fit")
def _fit(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    for model in info.argument(0, "model").atoms:
        if not isinstance(model, Obj) or not _is_lightning(model):
            continue
        ip.store.set(model, "trainer", of(e.atom))
        if data := info.argument(3, "datamodule"):
            ip.store.set(e.atom, "datamodule", data)
        _set_up_data(ip, info)
        for name, parameters in _CALLED.items():
            if name == "on_train_start" and _has(ip, model, "training_step") is not None:
                path = ip.path
                ip.store.set(e.atom, _LOADERS, _batches(ip, model, info))
                ip.path = path
            if find_member(ip, model.data, name) is None:
                continue
            given = [_passed(ip, e.atom, info, parameter) for parameter in parameters]
            step = call_method(ip, model, name, CallInfo(info.node, given, name=name))
            if name == "configure_optimizers":
                ip.store.set(model, _OPTIMIZERS, step)
            if name == "training_step":
                _optimise(ip, model, step, e.atom)
    return NONE


def _passed(ip: Interpreter, trainer: Atom, info: CallInfo, parameter: str) -> Value:
    """What ``fit`` passes to a method of the module."""
    if parameter == "batch":
        return iterate(ip, ip.read(trainer, _LOADERS) or NOTHING, info.node)
    return const("fit") if parameter == "stage" else ip.unknown(info.node, parameter)


def _data_of(ip: Interpreter, info: CallInfo) -> Obj | None:
    """The data module that ``fit`` is given, under its own name or in the place of the loaders."""
    for given in (info.argument(1, "train_dataloaders").only, info.argument(3, "datamodule").only):
        if isinstance(given, Obj) and _has(ip, given, "train_dataloader") is not None:
            return given
    return None


def _set_up_data(ip: Interpreter, info: CallInfo) -> None:
    """What ``fit`` does first: the data module makes its data."""
    data = _data_of(ip, info)
    for name, given in (("prepare_data", []), ("setup", [const("fit")])):
        if data is not None and _has(ip, data, name) is not None:
            call_method(ip, data, name, CallInfo(info.node, given, name=name))


def _batches(ip: Interpreter, model: Obj, info: CallInfo) -> Value:
    """What ``fit`` goes over: the loaders that it is given, those of the data module, or the model's own."""
    given, data = info.argument(1, "train_dataloaders"), _data_of(ip, info)
    if given and given.only != Const(None) and given.only is not data:
        return given
    owner = data or model
    if _has(ip, owner, "train_dataloader") is None:
        return NOTHING
    return call_method(ip, owner, "train_dataloader", CallInfo(info.node, name="train_dataloader"))


def _has(ip: Interpreter, atom: Atom | None, name: str) -> Value | None:
    """The method of that name which the class of an instance has in the project."""
    its_own = isinstance(atom, Obj) and isinstance(atom.data, Class)
    return find_member(ip, atom.data, name) if its_own and isinstance(atom, Obj) else None


@function("<returned to a framework>")
def _returned(ip: Interpreter, info: CallInfo) -> Value:
    """A method that nothing calls returned: where Lightning is what calls it, the loss goes backward."""
    receiver, result = info.positional
    module = receiver.only
    if info.name != "training_step" or info.name in BY_OTHERS.of(ip):
        return NONE
    if isinstance(module, Obj) and _is_lightning(module):
        _optimise(ip, module, result)
    return NONE


@method("model", "optimizers")
def _optimizers(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """``self.optimizers()``: what ``configure_optimizers`` returned, the only one of a list by itself."""
    configured = ip.read(real(e.atom), _OPTIMIZERS) or NOTHING
    only = configured.only
    if isinstance(only, Seq) and only.items and isinstance(only.items[0].only, Seq):
        only = only.items[0].only  # ([optimizers], [schedulers])
    if isinstance(only, Obj) and only.kind == "dict":
        return ip.read(only, ("key", "optimizer")) or ip.unknown(info.node, "an optimizer")
    if isinstance(only, Seq) and only.items is not None:
        return only.items[0] if len(only.items) == 1 else of(only)
    return configured or ip.unknown(info.node, "optimizers")


def _optimise(ip: Interpreter, module: Obj, result: Value, trainer: Atom | None = None) -> None:
    """What ``training_step`` returned goes backward unless the module does so itself."""
    automatic = ip.read(module, _AUTOMATIC) or find_member(ip, module.data, _AUTOMATIC)
    member = find_member(ip, module.data, "training_step")
    step = member.only if member is not None else None
    if not isinstance(step, Function) or (automatic is not None and automatic.only != Const(True)):
        return
    said = [ip.read(a, ("key", "loss")) for a in result.atoms if isinstance(a, Obj) and a.kind == "dict"]
    ip.frames.append(replace(ip.frame, module=step.module))  # the module of `fit` is another one
    try:
        for losses in (result, *(value for value in said if value)):
            record_backward(ip, losses, _return_of(step.node), via="Lightning")
        _before_the_step(ip, module, trainer)
        for run in list(ip.runs.values()):
            feeding.gradients_taken(ip, run, _return_of(step.node))
            pending.step(ip, run, _return_of(step.node), ALWAYS)
            unused.end(ip, run, used=True)
    finally:
        ip.frames.pop()


def _before_the_step(ip: Interpreter, module: Obj, trainer: Atom | None) -> None:
    """What the trainer calls with the gradients that wait for its step, and its own clipping of them."""
    owner = trainer if isinstance(trainer, Obj) else None
    listed = (ip.read(owner, "callbacks") if owner else None) or NOTHING
    callbacks = join_all([a.each() if isinstance(a, Seq) else of(a) for a in listed.atoms])
    told = {"trainer": of(owner) if owner else NONE, "module": of(module)}
    told["optimizer"] = ip.read(module, _OPTIMIZERS) or NONE
    for name, parameters in _BEFORE_THE_STEP.items():
        for receiver, names in (*((a, parameters) for a in callbacks.atoms), (module, parameters[2:])):
            if isinstance(receiver, Obj) and receiver.node and _has(ip, receiver, name) is not None:
                given = [told[parameter] for parameter in names]
                call_method(ip, receiver, name, CallInfo(receiver.node, given, name=name))
    if owner and owner.node and owner.module and _is_a_number(ip.read(owner, "gradient_clip_val")):
        ip.frames.append(replace(ip.frame, module=owner.module))
        for run in list(ip.runs.values()):
            pending.change(ip, run, owner.node, "clipped")
        ip.frames.pop()


def _is_a_number(value: Value | None) -> bool:
    return value is not None and bool(value) and all(isinstance(a, Const) and a.value for a in value.atoms)


@method("model", "clip_gradients", "configure_gradient_clipping")
def _clip_gradients(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """``self.clip_gradients(optimizer, gradient_clip_val=...)``."""
    for _, optimizer in entries_of_kind(info.argument(0, "optimizer"), "dp-optimizer"):
        pending.change(ip, optimizer.data, info.node, "clipped")
    return NONE


def _is_lightning(module: Obj) -> bool:
    return isinstance(module.data, Class) and not MODULES.isdisjoint(external_names(module.data))


def _return_of(function: cst.CSTNode) -> cst.CSTNode:
    """The last ``return`` with a value, which is where a report can point; else the function itself."""
    last, stack = function, [function]
    while stack:
        node = stack.pop()
        if isinstance(node, cst.Return) and node.value is not None:
            return node
        if node is function or not isinstance(node, (cst.FunctionDef, cst.Lambda, cst.ClassDef)):
            stack.extend(children(node))
    return last
