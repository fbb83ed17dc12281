"""Losses that a model of transformers makes itself, of labels of which those that are -100 are ignored."""

from __future__ import annotations

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Obj
from dpmigrate.analysis.domain.values import Function, Value, of
from dpmigrate.analysis.ledger.reductions import COUNTED_MEAN
from dpmigrate.analysis.registry import CallInfo, function
from dpmigrate.analysis.source.once import read_once
from dpmigrate.analysis.source.tree import every
from dpmigrate.analysis.training import TrainingRun

_COLLATOR = "collator that ignores padding"


@function(
    *(
        f"{package}.DataCollatorFor{task}"
        for package in ("transformers", "transformers.data", "transformers.data.data_collator")
        for task in ("LanguageModeling", "Seq2Seq", "TokenClassification")
    ),
    "trl.DataCollatorForCompletionOnlyLM",
)
def _make_collator(ip: Interpreter, info: CallInfo) -> Value:
    """Each of them gives padding the label -100."""
    return of(ip.new("collator", info.node, _COLLATOR))


def reduction_of_its_own(ip: Interpreter, run: TrainingRun, info: CallInfo) -> str | None:
    """How a loss that a model makes of ``labels=`` is reduced; None where none is seen to be ignored."""
    if info.given(None, "labels") is False or _are_the_inputs(info):
        return None
    ignored = read_once(ip, _names_ignored, ip.module.tree) or any(
        _collates_ignored(ip, loader) for loader in run.raw_loaders if isinstance(loader, Obj)
    )
    return COUNTED_MEAN if ignored else None


def _are_the_inputs(info: CallInfo) -> bool:
    """Whether the labels are what the model reads, of which nothing can be -100."""
    labels = info.argument(None, "labels").only
    return labels is not None and labels == info.argument(0, "input_ids").only


def _collates_ignored(ip: Interpreter, loader: Obj) -> bool:
    """Whether a loader's ``collate_fn`` makes labels that are ignored."""
    held = ip.read(loader, "collate_fn")
    collate = held.only if held is not None else None
    if isinstance(collate, Function):
        return read_once(ip, _names_ignored, collate.node)
    return isinstance(collate, Obj) and collate.data == _COLLATOR


def _names_ignored(code: cst.CSTNode) -> bool:
    """Whether -100 stands in some code, the label for "not this one"; not as a bound, ``losses[-100:]``."""
    nodes = list(every(code))
    bounds = {
        id(bound)
        for node in nodes
        if isinstance(node, cst.Slice | cst.Index)
        for bound in ((node.lower, node.upper, node.step) if isinstance(node, cst.Slice) else (node.value,))
    }
    return any(
        isinstance(node, cst.UnaryOperation)
        and isinstance(node.operator, cst.Minus)
        and isinstance(node.expression, cst.Integer)
        and node.expression.value == "100"
        and id(node) not in bounds
        for node in nodes
    )
