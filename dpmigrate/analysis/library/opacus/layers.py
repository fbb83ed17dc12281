"""Opacus's validators, loaders and layers, as far as they pass something on."""

from __future__ import annotations

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import External, Obj, Unknown
from dpmigrate.analysis.domain.values import Value, const, of
from dpmigrate.analysis.language.functions import unknown_call
from dpmigrate.analysis.library.records import dataset_of
from dpmigrate.analysis.library.torch.batch_norm import MADE_VALID
from dpmigrate.analysis.library.torch.data import POISSON
from dpmigrate.analysis.library.torch.distributed import train_together
from dpmigrate.analysis.library.torch.optimizers import ERRORS, VALID, VALIDATED
from dpmigrate.analysis.library.torch.structure import MODELS, OF_BEFORE
from dpmigrate.analysis.library.torch.trainable import frozen_so_far
from dpmigrate.analysis.registry import CallInfo, function


@function("opacus.ModuleValidator")
def _validator(ip: Interpreter, info: CallInfo) -> Value:
    return ip.unknown(info.node, "a validator")


@function("opacus.ModuleValidator.validate", "opacus.ModuleValidator.is_valid")
@function("opacus.validators.ModuleValidator.validate", "opacus.validators.ModuleValidator.is_valid")
def _validated(ip: Interpreter, info: CallInfo) -> Value:
    """The errors of a model, or whether it has none."""
    symbol = (VALID if info.name.endswith("is_valid") else ERRORS, id(info.node), ip.context)
    VALIDATED.of(ip)[symbol] = ip.origin(info.node)
    return of(Unknown(symbol, "what the validator says"))


@function("opacus.ModuleValidator.fix", "opacus.validators.ModuleValidator.fix")
def _validator_fix(ip: Interpreter, info: CallInfo) -> Value:
    """A copy in which every BatchNorm that is trained by now is another norm; what is frozen stays.

    The optimizers that there are keep the parameters of the model that it is a copy of.
    """
    given = info.argument(0, "module")
    frozen = frozen_so_far(ip)
    for optimizer, models in MODELS.of(ip).items():
        if not models.isdisjoint(given.atoms):
            ip.store.set(optimizer, OF_BEFORE, const(True))
    MADE_VALID.of(ip).update(a for a in given.atoms if a not in frozen)
    return given


@function("opacus.DPDataLoader")
def _dp_loader(ip: Interpreter, info: CallInfo) -> Value:
    made = ip.new("loader", info.node, info.name)
    ip.store.set(made, "dataset", info.argument(0, "dataset"))
    ip.store.set(made, POISSON, const(True))
    return of(made)


@function("opacus.DPDataLoader.from_data_loader")
def _dp_loader_of_another(ip: Interpreter, info: CallInfo) -> Value:
    """Poisson batches of the same data, whatever sampler the other loader had."""
    out = []
    for e in info.argument(0, "data_loader").entries:
        if isinstance(e.atom, Obj) and e.atom.kind == "loader":
            made = ip.new("loader", info.node, e.atom.data, e.atom.key)
            ip.store.set(made, "dataset", dataset_of(ip, e.atom))
        else:
            made = ip.new("loader", info.node, info.name, e.atom)
        ip.store.set(made, POISSON, const(True))
        out.append(e._replace(atom=made))
    return Value(tuple(out)) if out else ip.unknown(info.node, "a loader")


@function("opacus.DifferentiallyPrivateDistributedDataParallel")
def _dp_ddp(ip: Interpreter, info: CallInfo) -> Value:
    wrapped = info.argument(0, "model")
    train_together(ip, wrapped)
    return wrapped


@function("opacus.utils.fsdp_utils.FSDP2Wrapper")
def _fsdp(ip: Interpreter, info: CallInfo) -> Value:
    """It shards the model that it is given, and returns it."""
    train_together(ip, info.argument(0, "model"))
    return unknown_call(ip, External(info.name), info)


@function("opacus.DPLSTM", "opacus.DPGRU", "opacus.DPRNN", "opacus.DPMultiheadAttention")
def _layer(ip: Interpreter, info: CallInfo) -> Value:
    return of(ip.new("model", info.node, info.name))
