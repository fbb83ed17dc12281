"""Frameworks that hand objects through: accelerate, peft, Fabric."""

from __future__ import annotations

from dpmigrate.analysis import registry
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Obj
from dpmigrate.analysis.domain.values import NONE, Entry, Seq, Value, join_all, of
from dpmigrate.analysis.library.gradients import record_backward
from dpmigrate.analysis.registry import CallInfo, function, method


@function("accelerate.Accelerator", "accelerate.accelerator.Accelerator")
@function("lightning.Fabric", "lightning.fabric.Fabric", "lightning_fabric.Fabric")
def _accelerator(ip: Interpreter, info: CallInfo) -> Value:
    return of(ip.new("accelerator", info.node, info.name))


@method(
    ("accelerator", "unknown"),
    "prepare",
    "setup",
    "prepare_model",
    "setup_dataloaders",
    "prepare_data_loader",
)
def _prepare(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    if len(info.positional) == 1:
        return info.positional[0]
    return of(Seq(tuple(info.positional))) if info.positional else ip.unknown(info.node, "prepared objects")


@method(("accelerator", "unknown"), "unwrap_model")
def _unwrap(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    return info.argument(0, "model")


@method("accelerator", "backward")
def _backward(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    if isinstance(e.atom, Obj) and str(e.atom.data).startswith("accelerate."):
        registry.tell_hooks(
            ip, "<tensor given>", CallInfo(info.node, info.positional, name="accelerator.backward")
        )
    record_backward(ip, join_all(info.everything()), info.node, via="accelerator.backward")
    return NONE


@function("peft.get_peft_model", "peft.mapping.get_peft_model", "peft.prepare_model_for_kbit_training")
@function("transformers.modeling_utils.unwrap_model", "timm.utils.unwrap_model")
def _peft(ip: Interpreter, info: CallInfo) -> Value:
    return info.argument(0, "model")
