"""Criteria and loss functions, and the losses that they make."""

from __future__ import annotations

from dataclasses import replace

import libcst as cst

from dpmigrate.analysis import registry
from dpmigrate.analysis.batches import joined, passes_behind
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import (
    Atom,
    Const,
    External,
    ForwardPass,
    Obj,
    Tensor,
    Unknown,
    behind,
)
from dpmigrate.analysis.domain.values import (
    NONE,
    NOTHING,
    Class,
    Entry,
    Value,
    const,
    join_all,
    of,
)
from dpmigrate.analysis.language.calls import call_method
from dpmigrate.analysis.language.classes import BASE_KINDS
from dpmigrate.analysis.language.constants import opaque, params_in_value
from dpmigrate.analysis.ledger.reductions import COUNTED_MEAN, WEIGHTED_MEAN
from dpmigrate.analysis.library.torch.names import real
from dpmigrate.analysis.library.torch.structure import forward_of
from dpmigrate.analysis.loss_functions import LOSS_FUNCTIONS
from dpmigrate.analysis.registry import CallInfo, function, method, tell_hooks
from dpmigrate.analysis.source.tree import every, keyword_node

for _loss in [
    "CrossEntropyLoss",
    "NLLLoss",
    "NLLLoss2d",
    "MSELoss",
    "L1Loss",
    "SmoothL1Loss",
    "HuberLoss",
    "BCELoss",
    "BCEWithLogitsLoss",
    "KLDivLoss",
    "PoissonNLLLoss",
    "GaussianNLLLoss",
    "HingeEmbeddingLoss",
    "MarginRankingLoss",
    "MultiMarginLoss",
    "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss",
    "SoftMarginLoss",
    "TripletMarginLoss",
    "CosineEmbeddingLoss",
    "CTCLoss",
]:
    BASE_KINDS[f"torch.nn.{_loss}"] = "criterion"


def _make_criterion(ip: Interpreter, info: CallInfo) -> Value:
    made = ip.new("criterion", info.node, info.name)
    given = info.argument(None, "reduction")
    ip.store.set(made, "reduction", given or const("mean", ip.origin(info.node, "default reduction")))
    for name, value in info.keywords.items():
        ip.store.set(made, name, value)
    if info.positional and info.name in _BY_CLASS:
        ip.store.set(made, "weight", info.positional[0])
    return of(made)


for _name, _kind in list(BASE_KINDS.items()):
    if _kind == "criterion":
        registry.FUNCTIONS[_name] = _make_criterion


@method("criterion", "__init__")
def _init_criterion(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    given = info.argument(None, "reduction")
    ip.store.set(real(e.atom), "reduction", given or const("mean"))
    return NONE


@method("criterion", "__call__", "forward")
def _call_criterion(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    criterion = real(e.atom)
    by_class = isinstance(criterion, Obj) and criterion.data in _BY_CLASS
    weights, ignored = (
        (ip.read(criterion, name) if by_class else None) or NOTHING for name in ("weight", "ignore_index")
    )
    return _loss_tensor(ip, info, criterion, ip.read(criterion, "reduction"), weights, ignored)


@method("criterion", "to", "cuda", "cpu", "train", "eval", "float", "double", "half")
@method("model", "to", "cuda", "cpu", "train", "float", "double", "half", "bfloat16")
@method("model", "compile", "share_memory", "type", "xpu", "to_empty")
@method("loader", "set_epoch", "with_epoch")
def _itself(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    return of(real(e.atom), *e.because)


_BY_CLASS = ("torch.nn.CrossEntropyLoss", "torch.nn.NLLLoss")
"""Criteria whose mean is divided by the weights, or the number (``ignore_index``), of what counts."""


def _loss_tensor(
    ip: Interpreter, info: CallInfo, maker: Atom, reduction: Value | None, weights: Value, ignored: Value
) -> Value:
    tell_hooks(ip, "<given to a loss>", info)
    ways = info.tensors()
    parameters = [p for value in info.positional for p in params_in_value(value)]
    if parameters and not any(outputs for _, outputs in ways):  # ``F.mse_loss(p, zeros)``: a penalty
        return opaque(ip, info.node, info.everything())
    parts = []
    for guard, outputs in ways:
        passes = joined(outputs) if guard else passes_behind(info.everything())
        parts.append(_loss_of(outputs, passes, maker, reduction, weights, ignored).guarded(guard))
    return join_all(parts)


def _loss_of(
    outputs: list[Tensor],
    passes: frozenset[ForwardPass],
    maker: Atom,
    reduction: Value | None,
    weights: Value,
    ignored: Value,
) -> Value:
    sources, detached = behind(outputs)
    only = reduction.only if reduction is not None else None
    text = only.value if isinstance(only, Const) and isinstance(only.value, str) else None
    mean = COUNTED_MEAN if text == "mean" and ignored else text
    plain = Tensor(sources, maker, reduction=mean, detached=detached, passes=passes)
    weighted = replace(plain, reduction=WEIGHTED_MEAN)
    if text != "mean" or not weights:
        return of(plain)
    given = [_given_weights(e.atom, alone=len(weights.entries) == 1) for e in weights.entries]
    if len(set(given)) == 1:
        return of(weighted if given[0] else plain)
    entries = zip(weights.entries, given, strict=True)
    return join_all([of(weighted if weighs else plain).guarded(e.guard) for e, weighs in entries])


def _given_weights(atom: Atom, alone: bool) -> bool:
    """Whether a value is weights, and no None.

    An option that is open is no evidence, but for a parameter that always stands for weights.
    """
    symbol = atom.symbol if isinstance(atom, Unknown) else None
    entry = isinstance(symbol, tuple) and len(symbol) == 3 and symbol[1] == "."
    while isinstance(symbol, tuple) and len(symbol) == 3 and symbol[1] == ".":
        symbol = symbol[0]
    if isinstance(symbol, tuple) and symbol[:1] == ("param",):
        return alone and not entry
    return atom != Const(None)


@function("<given to a module>")
def _weighs_by_itself(ip: Interpreter, info: CallInfo) -> Value:
    """A criterion of the program that weighs or ignores: ``F.cross_entropy(out, y, weight=self.w)``."""
    module = info.positional[0].only
    forward = forward_of(ip, module)
    if (
        not isinstance(module, Obj)
        or forward is None
        or not any(map(_weighs_or_ignores, every(forward.node)))
    ):
        return NOTHING
    return call_method(ip, module, "forward", CallInfo(info.node, info.positional[1:], info.keywords))


def _weighs_or_ignores(node: cst.CSTNode) -> bool:
    if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute):
        return False
    given = any(keyword_node(node, name) is not None for name in ("weight", "ignore_index"))
    return given and node.func.attr.value in ("cross_entropy", "nll_loss")


@function("<given to a module>")
def _penalises_by_itself(ip: Interpreter, info: CallInfo) -> Value:
    """A criterion of the program that adds a penalty on parameters which it was given, or looks for."""
    module = info.positional[0].only
    if not isinstance(module, Obj) or not isinstance(module.data, Class):
        return NOTHING
    if any(module in run.raw_models for run in ip.runs.values()):
        return NOTHING
    looks = any(map(_looks_for_parameters, every(module.data.node)))
    if not looks or forward_of(ip, module) is None:
        return NOTHING
    return call_method(ip, module, "forward", CallInfo(info.node, info.positional[1:], info.keywords))


def _looks_for_parameters(node: cst.CSTNode) -> bool:
    called = node.func if isinstance(node, cst.Call) else None
    return isinstance(called, cst.Attribute) and called.attr.value in ("parameters", "named_parameters")


def _loss_function(ip: Interpreter, info: CallInfo) -> Value:
    by_class = info.name.endswith((".cross_entropy", ".nll_loss"))
    weights, ignored = (
        info.argument(place, name) if by_class else NOTHING
        for place, name in ((2, "weight"), (4, "ignore_index"))
    )
    reduction = info.argument(None, "reduction") or const("mean")
    return _loss_tensor(ip, info, External(info.name), reduction, weights, ignored)


for _short in LOSS_FUNCTIONS:
    registry.FUNCTIONS[f"torch.nn.functional.{_short}"] = _loss_function
