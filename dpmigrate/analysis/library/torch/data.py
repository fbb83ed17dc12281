"""Datasets, samplers and loaders."""

from __future__ import annotations

import libcst as cst

from dpmigrate.analysis.atoms import Atom, Obj
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.guards import Guard
from dpmigrate.analysis.ledger import Iterated
from dpmigrate.analysis.library import registry
from dpmigrate.analysis.library.gradients import runs_of_raw
from dpmigrate.analysis.library.registry import CallInfo, function, method, prefix
from dpmigrate.analysis.library.torch.names import real
from dpmigrate.analysis.values import NONE, NOTHING, Entry, Seq, Value, of

POISSON = "<draws Poisson batches>"
"""The slot of a loader that Opacus itself made out of another one."""


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
    loader_read(ip, real(e.atom), node, e.guard)
    return ip.unknown(node, "a batch")


def loader_read(ip: Interpreter, loader: Atom, node: cst.CSTNode, guard: Guard) -> None:
    """A loop goes over a loader that no engine returned: runs that were given it, or its data, are told."""
    given = list(runs_of_raw(ip, loader))
    for run in given:
        ip.happen(run, Iterated(ip.at(node, guard), "passed"))
    if not ip.read(loader, POISSON) and not ip.read(loader, "batch_sampler"):
        for run in [run for run in ip.runs.values() if run.manual]:
            ip.happen(run, Iterated(ip.at(node, guard), "fixed"))
    held = ip.read(loader, "dataset")
    dataset = held.only if held else None
    if given or not isinstance(dataset, Obj):
        return
    for run in list(ip.runs.values()):
        others = (ip.read(raw, "dataset") for raw in run.raw_loaders)
        if any(other is not None and _same_data(other.only, dataset) for other in others):
            ip.happen(run, Iterated(ip.at(node, guard), "remade"))


def _same_data(one: Atom | None, other: Obj) -> bool:
    """Whether two data sets are one, or made in one place of the program."""
    return one == other or (isinstance(one, Obj) and one.node is not None and one.node is other.node)


@function("<iterated>")
def _iterate_unknown(ip: Interpreter, info: CallInfo) -> Value:
    """A loop over something that came in from outside: the loader passed in, where an engine was given it."""
    for e in info.positional[0].entries:
        for run in list(ip.runs.values()):
            if e.atom in run.argument("data_loader").atoms:
                ip.happen(run, Iterated(ip.at(info.node, e.guard), "passed"))
    return NOTHING


registry.ITERATION["loader"] = _iterate_loader


@prefix("torch.utils.data.", "torchvision.datasets.", "datasets.load_dataset")
def _make_dataset(ip: Interpreter, info: CallInfo) -> Value:
    if "ampler" in info.name:
        return of(ip.new("sampler", info.node, info.name))
    if info.name.endswith("random_split"):
        return of(Seq(None, of(ip.new("dataset", info.node, info.name))))
    return of(ip.new("dataset", info.node, info.name))
