"""BatchNorm layers in a private model, and what keeps them from the statistics of the batch.

Opacus's validator (1.0 to 1.6.0) rejects a BatchNorm whose parameters are trained. One that is frozen, or
made with ``affine=False``, passes, and normalises by the batch all the same as long as it is in train mode.
A model that ``make_private`` takes has no other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from dpmigrate.analysis import registry
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Atom, Const, Obj, Unknown
from dpmigrate.analysis.domain.ordering import in_order
from dpmigrate.analysis.domain.values import NOTHING, Class, Entry, Value, const, of
from dpmigrate.analysis.guards import Guard
from dpmigrate.analysis.language.classes import find_member
from dpmigrate.analysis.language.holding import holds_part, part_objects, whole_of
from dpmigrate.analysis.ledger import Circumstances, Origin
from dpmigrate.analysis.ledger.models import (
    BatchNormKept,
    BatchNormRefused,
    PartEvaluated,
    WholeInTrainMode,
)
from dpmigrate.analysis.library.torch.names import real
from dpmigrate.analysis.library.torch.trainable import frozen_so_far
from dpmigrate.analysis.notes import Slot
from dpmigrate.analysis.registry import CallInfo, function, method
from dpmigrate.analysis.source.tree import keyword_node
from dpmigrate.analysis.training import TrainingRun

_LAYERS = frozenset(
    f"torch.nn.{name}" for name in ("BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm")
)
_OF_TORCHVISION = (
    *("resnet", "resnext", "wide_resnet", "densenet", "mobilenet", "googlenet", "inception"),
    *("shufflenet", "mnasnet", "efficientnet_b", "regnet"),
)
"""Models of torchvision that normalise by BatchNorm unless they are told another ``norm_layer``."""
_OTHER_NORMS = (b"GroupNorm", b"InstanceNorm", b"FrozenBatchNorm", b"LayerNorm")
_REPLACING = (b"setattr", b"_modules", b"convert", b"replace")
_EVALUATED: Slot[list[Origin]] = Slot(list)
"""Where parts of models are put into evaluation mode."""
MADE_VALID: Slot[set[Atom]] = Slot(set)
"""Models whose layers Opacus has replaced by those that it can train (``ModuleValidator.fix``)."""
_MADE_OTHERWISE = re.compile(
    rb"ModuleValidator|GroupNorm|InstanceNorm|FrozenBatchNorm|LayerNorm|convert_|requires_grad|norm_layer"
    rb"|_modules\b|setattr|named_children|named_modules|\.apply\("
)
"""Words of programs that may put another layer in the place of a BatchNorm, or freeze it."""


def tell_of_batch_norm(ip: Interpreter, run: TrainingRun) -> None:
    """Record the BatchNorm layers that are in the models of a run when it is made."""
    for model in run.raw_models:
        if isinstance(model, Obj) and model not in MADE_VALID.of(ip):
            for layer in _batch_norms(model, ip, 5):
                _tell_of(ip, run, model, layer)
    if _EVALUATED.of(ip):
        ip.happen(run, PartEvaluated(ip.at(run.origin.node)))


def _tell_of(ip: Interpreter, run: TrainingRun, model: Obj, layer: Obj) -> None:
    given = ip.read(layer, "affine")
    bare = given is not None and given.only == Const(False)
    frozen = frozen_so_far(ip)
    kept = (
        bare
        or layer in frozen
        or model in frozen
        or any(holds_part(ip, f, layer) for f in frozen if isinstance(f, Obj))
    )
    texts = [module.source.data for module in (run.module, layer.module) if module]
    others = any(norm in text for text in texts for norm in _OTHER_NORMS)
    # A layer of the program's own stays where it is, unless something goes through the model for others.
    replacing = layer.data not in _LAYERS or any(word in text for text in texts for word in _REPLACING)
    if kept and not (others and replacing) and layer.module is not None and layer.node is not None:
        name = str(layer.data).rpartition(".")[2]
        there = Circumstances(Origin(layer.module, layer.node), ip.path)
        ip.happen(run, BatchNormKept(there, name, bare or layer.data in _LAYERS))
    if not kept and not run.manual and not ip.texts.hold(_MADE_OTHERWISE):
        sure = len(run.raw_models) == 1 and _always_has(ip, model, layer, 5)
        ip.happen(run, BatchNormRefused(ip.at(run.origin.node), sure))


def _always_has(ip: Interpreter, owner: Obj, layer: Obj, depth: int) -> bool:
    """Whether a layer is a model, or stands in it or in a part of it by attributes that hold nothing else."""
    if owner == layer:
        return True
    held = (ip.store.get(owner, slot) for slot in ip.store.keys(owner)) if depth else ()
    only = [value.entries[0] for value in held if value is not None and len(value.entries) == 1]
    return any(
        not e.guard
        and isinstance(e.atom, Obj)
        and e.atom != owner
        and _always_has(ip, e.atom, layer, depth - 1)
        for e in only
    )


def _batch_norms(layer: Obj, ip: Interpreter, depth: int) -> Iterator[Obj]:
    """The BatchNorm layers of a model, and models of torchvision that have some."""
    name = layer.data if isinstance(layer.data, str) else ""
    if layer.kind == "model" and name in _LAYERS:
        yield layer
    elif layer.kind == "model" and name.startswith("torchvision.models."):
        short = name.rpartition(".")[2]
        told = keyword_node(layer.node, "norm_layer") if layer.node is not None else None
        if short.startswith(_OF_TORCHVISION) and told is None:
            yield layer
    elif depth and layer.kind in ("model", "instance"):
        for part in in_order({*part_objects(ip, layer), *_backbones(ip, layer)} - {layer}):
            if part.kind in ("model", "instance"):
                yield from _batch_norms(part, ip, depth - 1)


def _backbones(ip: Interpreter, owner: Obj) -> Iterator[Obj]:
    """The models of torchvision of which a module keeps the convolutions, ``resnet18().layer1``."""
    for slot in ip.store.keys(owner):
        for atom in (ip.store.get(owner, slot) or NOTHING).atoms:
            whole = whole_of(atom) if isinstance(atom, Unknown) else None
            name = atom.symbol[-1] if isinstance(atom, Unknown) and isinstance(atom.symbol, tuple) else None
            if whole is not None and name not in ("classifier", "fc", "head", "heads"):
                yield whole


@method("model", "eval")
def _evaluate(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    model = real(e.atom)
    if not any(model in run.raw_models for run in ip.runs.values()):
        _part_evaluated(ip, info)
    return of(model, *e.because)


def whole_in_train_mode(ip: Interpreter, run: TrainingRun, info: CallInfo, guard: Guard) -> None:
    """``train()`` of the private model goes to all of its parts; a model's own may leave some out."""
    by_class = [a.data for a in run.raw_models if isinstance(a, Obj) and isinstance(a.data, Class)]
    own = any(find_member(ip, cls, "train") for cls in by_class)
    if not own and (info.argument(0, "mode") or const(True)).only == Const(True):
        ip.happen(run, WholeInTrainMode(ip.at(info.node, guard)))


@function("<unknown call>")
def _evaluate_unknown(ip: Interpreter, info: CallInfo) -> Value:
    """``for m in model.modules(): m.eval()``, ``model.features.eval()``."""
    if info.called == "eval":
        _part_evaluated(ip, info)
    return NOTHING


def _part_evaluated(ip: Interpreter, info: CallInfo) -> None:
    _EVALUATED.of(ip).append(ip.origin(info.node))
    for run in list(ip.runs.values()):
        ip.happen(run, PartEvaluated(ip.at(info.node)))


def _make_batch_norm(ip: Interpreter, info: CallInfo) -> Value:
    made = ip.new("model", info.node, info.name)
    ip.store.set(made, "affine", info.argument(3, "affine"))
    return of(made)


for _name in _LAYERS:
    registry.FUNCTIONS[_name] = _make_batch_norm
