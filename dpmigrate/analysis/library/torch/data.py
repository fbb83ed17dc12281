"""Datasets, samplers and loaders."""

from __future__ import annotations

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.ledger import Iterated
from dpmigrate.analysis.library import registry
from dpmigrate.analysis.library.gradients import runs_of_raw
from dpmigrate.analysis.library.registry import CallInfo, function, method, prefix
from dpmigrate.analysis.library.torch.names import real
from dpmigrate.analysis.values import (
    NONE,
    Entry,
    Seq,
    Value,
    of,
)


@function("torch.utils.data.DataLoader", "torch_geometric.loader.DataLoader")
def _make_loader(ip: Interpreter, info: CallInfo) -> Value:
    made = ip.new("loader", info.node, info.name)
    _init_loader(ip, info, Entry(made))
    return of(made)


@method("loader", "__init__")
def _init_loader(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    names = ("dataset", "batch_size", "shuffle", "sampler", "batch_sampler")
    for position, name in enumerate(names):
        value = info.argument(position, name)
        if value:
            ip.store.set(real(e.atom), name, value)
    for name in ("generator", "drop_last"):
        if name in info.keywords:
            ip.store.set(real(e.atom), name, info.keywords[name])
    return NONE


def _iterate_loader(ip: Interpreter, e: Entry, node: cst.CSTNode) -> Value:
    for run in runs_of_raw(ip, real(e.atom)):
        ip.happen(run, Iterated(ip.at(node, e.guard), "passed"))
    return ip.unknown(node, "a batch")


registry.ITERATION["loader"] = _iterate_loader


@prefix("torch.utils.data.", "torchvision.datasets.", "datasets.load_dataset")
def _make_dataset(ip: Interpreter, info: CallInfo) -> Value:
    if "ampler" in info.name:
        return of(ip.new("sampler", info.node, info.name))
    if info.name.endswith("random_split"):
        return of(Seq(None, of(ip.new("dataset", info.node, info.name))))
    return of(ip.new("dataset", info.node, info.name))
