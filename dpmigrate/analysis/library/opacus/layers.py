"""Opacus's validators, loaders and layers, as far as they pass something on."""

from __future__ import annotations

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.library.registry import CallInfo, function
from dpmigrate.analysis.library.torch.distributed import train_together
from dpmigrate.analysis.values import (
    Value,
    of,
)


@function("opacus.ModuleValidator")
def _validator(ip: Interpreter, info: CallInfo) -> Value:
    return ip.unknown(info.node, "a validator")


@function("opacus.ModuleValidator.fix", "opacus.validators.ModuleValidator.fix")
def _validator_fix(ip: Interpreter, info: CallInfo) -> Value:
    return info.argument(0, "module")


@function("opacus.DPDataLoader", "opacus.DPDataLoader.from_data_loader")
def _dp_loader(ip: Interpreter, info: CallInfo) -> Value:
    return info.argument(0, "data_loader") or ip.unknown(info.node, "a loader")


@function("opacus.DifferentiallyPrivateDistributedDataParallel")
def _dp_ddp(ip: Interpreter, info: CallInfo) -> Value:
    wrapped = info.argument(0, "model")
    train_together(ip, wrapped)
    return wrapped


@function("opacus.DPLSTM", "opacus.DPGRU", "opacus.DPRNN", "opacus.DPMultiheadAttention")
def _layer(ip: Interpreter, info: CallInfo) -> Value:
    return of(ip.new("model", info.node, info.name))
