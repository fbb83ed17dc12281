"""Datasets, samplers and loaders."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Sequence
from operator import is_

import libcst as cst

from dpmigrate.analysis import registry
from dpmigrate.analysis.batches import taken
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Atom, External, Obj, Unknown, is_one_of_several
from dpmigrate.analysis.domain.values import NONE, NOTHING, Entry, Seq, Value, join_all, of
from dpmigrate.analysis.language.assignment import iterate
from dpmigrate.analysis.language.functions import unknown_call
from dpmigrate.analysis.ledger.sampling import KindOfLoader
from dpmigrate.analysis.library.records import dataset_of
from dpmigrate.analysis.library.torch.names import real
from dpmigrate.analysis.notes import Slot
from dpmigrate.analysis.registry import CallInfo, function, method, prefix
from dpmigrate.analysis.source.tree import every
from dpmigrate.analysis.training import TrainingRun

POISSON = "<draws Poisson batches>"
"""The slot of a loader that Opacus itself made out of another one."""


@function("torch.utils.data.DataLoader", "torch_geometric.loader.DataLoader")
def _make_loader(ip: Interpreter, info: CallInfo) -> Value:
    made = ip.new("loader", info.node, info.name)
    _init_loader(ip, info, Entry(made))
    return of(made)


@method("loader", "__init__")
def _init_loader(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    names = ("dataset", "batch_size", "shuffle", "sampler", "batch_sampler", "num_workers", "collate_fn")
    for position, name in enumerate(names):
        value = info.argument(position, name)
        if value:
            ip.store.set(real(e.atom), name, value)
    for name in ("generator", "drop_last"):
        if name in info.keywords:
            ip.store.set(real(e.atom), name, info.keywords[name])
    return NONE


def _iterate_loader(ip: Interpreter, e: Entry, node: cst.CSTNode) -> Value:
    return ip.unknown(node, "a batch", frozenset({taken(ip, real(e.atom), node)}))


def kinds_of_loader(ip: Interpreter, run: TrainingRun, loader: Atom) -> Iterator[KindOfLoader]:
    """What a loader, or data by itself, is to a run: nothing where it has nothing to do with it.

    Batches that Opacus' own loader draws are Poisson batches, whoever made it.
    """
    if isinstance(loader, Obj) and loader.kind == "dp-loader":
        if loader.data is run:
            yield "returned"
        return
    is_loader = isinstance(loader, Obj) and loader.kind in ("loader", "instance")
    if is_loader and ip.read(loader, POISSON):
        return
    if loader in run.raw_loaders or loader in run.argument("data_loader").atoms:
        yield "passed"
    elif loader in _records_of(ip, run):
        yield "records"
    elif loader in _columns_of(ip, _records_of(ip, run)):
        yield "columns"
    if not is_loader:
        return
    if run.manual and not ip.read(loader, "batch_sampler"):
        yield "fixed"
    dataset = dataset_of(ip, loader).only
    if dataset is None or loader in ip.runs_by_object:
        return
    others = [dataset_of(ip, raw).only for raw in run.raw_loaders]
    if any(_share_records(ip, other, dataset) for other in others):
        yield "remade"
    elif others and not run.manual and all(other is not None and _stands_in(ip, other) for other in others):
        yield "other"


_OF_NOTHING = frozenset(["zeros", "ones", "empty", "full"])
_SAYS_SO = re.compile(r"dummy|fake|placeholder|mock|stand_?in", re.IGNORECASE)


def _stands_in(ip: Interpreter, dataset: Atom) -> bool:
    """Whether data are there for their number alone: of zeros, or by a name that says so."""
    given = GIVEN.of(ip).get(dataset)
    made = dataset.node if given is None and isinstance(dataset, Obj) else given and given.node
    if not isinstance(made, cst.Call):
        return False
    columns = [arg.value for arg in made.args]
    named = (n.value for column in columns for n in every(column) if isinstance(n, cst.Name))
    return any(map(_SAYS_SO.search, named)) or (bool(columns) and all(map(_is_of_nothing, columns)))


def _is_of_nothing(column: cst.BaseExpression) -> bool:
    called = column.func if isinstance(column, cst.Call) else None
    while isinstance(called, cst.Attribute) and isinstance(called.value, cst.Call):
        called = called.value.func  # torch.zeros(8).long()
    return isinstance(called, cst.Attribute) and called.attr.value in _OF_NOTHING


def _share_records(ip: Interpreter, one: Atom | None, other: Atom) -> bool:
    """Whether two data sets are one, made in one place of the program, or one is a part of the other.

    Two parts of one data set need not have a record in common.
    """
    if one is None or _SOME_PART in (_part(one), _part(other)):
        return False
    return any(_is_one(whole, other) for whole in wholes_of(ip, one)) or any(
        _is_one(whole, one) for whole in wholes_of(ip, other)
    )


def _is_one(one: Atom, other: Atom) -> bool:
    if not isinstance(one, Obj) or not isinstance(other, Obj):
        return one == other and _one_data_set(one)
    by_place = one.node is not None and one.node is other.node and _part(one) == _part(other)
    return one == other or (by_place and _part(one) != _SUBSET)


def _one_data_set(atom: Atom) -> bool:
    """Whether something that came in from outside is one thing, and no element of anything."""
    if isinstance(atom, External):  # a name of a module that is not there
        return not atom.name.endswith("]")
    symbol = atom.symbol if isinstance(atom, Unknown) else None
    while isinstance(symbol, tuple) and len(symbol) == 3 and symbol[1] == ".":
        if symbol[2] == "element":
            return False
        symbol = symbol[0]
    return isinstance(symbol, tuple) and symbol[:1] == ("param",)


PART_OF = "<part of>"
"""The slot of a data set for the one that it is a part of."""
GIVEN: Slot[dict[Atom | None, CallInfo]] = Slot(dict)
"""By data set: the call that makes it."""
_SOME_PART = "some part"
_SUBSET = "a subset"


def _part(dataset: Atom) -> Hashable:
    """Which part of a data set it is, where a split made it."""
    key = dataset.key if isinstance(dataset, Obj) else None
    return key[2] if isinstance(key, tuple) and len(key) == 3 else None


def wholes_of(ip: Interpreter, dataset: Atom) -> Iterator[Atom]:
    """A data set, and what it is a part of, and so on."""
    for _ in range(_MAX_PARTS):
        yield dataset
        held = ip.read(dataset, PART_OF)
        if held is None or held.only is None:
            return
        dataset = held.only


_MAX_PARTS = 6


@function("<iterated>")
def _iterate_unknown(ip: Interpreter, info: CallInfo) -> Value:
    """Something that came in from outside, or records, gives a batch: the loader passed in, where an engine
    was given it, or what a loader was made of."""
    wanted = [e.atom for e in info.positional[0].entries if not _some_entry(e.atom)]
    given = _given_to_runs(ip, wanted)
    return join_all(of(taken(ip, atom, info.node)) for atom in wanted if atom in given)


def _given_to_runs(ip: Interpreter, wanted: Sequence[Atom]) -> set[Atom]:
    """Of some things those that batches of a run come from: its loader, the records, or the tensors that they
    are rows of."""
    rest, given = set(wanted), set[Atom]()
    for run in ip.runs.values():
        if not rest:
            break
        come_from = _fed_by(ip, run)
        given |= rest.intersection(come_from)
        rest -= given
    return given


_FED_BY: Slot[dict[TrainingRun, tuple[tuple[object, ...], frozenset[Atom]]]] = Slot(dict)
"""What was read to tell what the batches of a run come from, and what those are."""


def _fed_by(ip: Interpreter, run: TrainingRun) -> frozenset[Atom]:
    """What the batches of a run come from, kept for as long as its loaders are made of the same."""
    held = [ip.store.get(loader, "dataset") for loader in run.raw_loaders]
    held += [ip.store.get(value.only, COLUMNS) for value in held if value]
    read = run.raw_loaders, run.argument("data_loader"), *held
    kept: tuple[tuple[object, ...], frozenset[Atom]] = _FED_BY.of(ip).get(run, ((), frozenset()))
    if len(kept[0]) == len(read) and all(map(is_, kept[0], read)):
        return kept[1]
    records = list(_records_of(ip, run))
    fed_by = frozenset([*run.argument("data_loader").atoms, *records, *_columns_of(ip, records)])
    if not any(e.guard for value in held if value for e in value.entries):  # else it goes by the path, too
        _FED_BY.of(ip)[run] = read, fed_by
    return fed_by


def _some_entry(atom: Atom) -> bool:
    """Whether it stands for what a dict may hold under keys that are not known, which is no one thing."""
    symbol = atom.symbol if isinstance(atom, Unknown) else None
    return isinstance(symbol, tuple) and symbol[-1:] == ("rest",)


def _records_of(ip: Interpreter, run: TrainingRun) -> Iterator[Atom]:
    """What the loaders that a run was given were made of, where that can be told."""
    for loader in run.raw_loaders:
        only = dataset_of(ip, loader).only
        if only is not None:
            yield only


def _columns_of(ip: Interpreter, data_sets: Iterable[Atom]) -> Iterator[Atom]:
    """The tensors that the records of some data sets are the rows of."""
    for records in data_sets:
        columns = ip.read(records, COLUMNS)
        if columns is not None:
            yield from (atom for atom in columns.atoms if _one_data_set(atom) or _one_result(atom))


def _one_result(atom: Atom) -> bool:
    """Whether something is what one call gave, or a part of that by name or number."""
    symbol = atom.symbol if isinstance(atom, Unknown) else None
    if is_one_of_several(symbol):
        return False
    while isinstance(symbol, tuple) and len(symbol) == 3 and symbol[1] == ".":
        symbol = symbol[0]
    return isinstance(symbol, tuple) and symbol[:1] == ("node",)


def _iterate_dataset(ip: Interpreter, e: Entry, node: cst.CSTNode) -> Value:
    return ip.unknown(node, "a record", frozenset({taken(ip, e.atom, node)}))


_FETCHES = re.compile(r"prefetch|background_?generator|device_?loader", re.IGNORECASE)
_LOADERS = ("loader", "dp-loader", "managed-loader")


@function("<call of a package>")
def _fetches_ahead(ip: Interpreter, info: CallInfo) -> Value:
    """``DataPrefetcher(loader)``, of whichever package: it gives what the loader gives."""
    if not _FETCHES.search(info.name.rpartition(".")[2]):
        return NOTHING
    given = join_all([*info.positional[:1], *(info.argument(None, name) for name in _NAMES_OF_A_LOADER)])
    return given.select(lambda a: isinstance(a, Unknown) or (isinstance(a, Obj) and a.kind in _LOADERS))


_NAMES_OF_A_LOADER = ("loader", "dataloader", "data_loader")


@method(("loader", "dp-loader", "unknown"), "next")
def _next_of_a_loader(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """``prefetcher.next()``."""
    if isinstance(e.atom, Unknown) and not any(
        e.atom in run.argument("data_loader").atoms for run in ip.runs.values()
    ):
        return unknown_call(ip, e.atom, info)
    return iterate(ip, Value((e,)), info.node)


registry.ITERATION["loader"] = _iterate_loader
registry.ITERATION["dataset"] = _iterate_dataset


BALANCING = (
    "torchsampler.ImbalancedDatasetSampler",
    "torchsampler.imbalanced.ImbalancedDatasetSampler",
    "pytorch_metric_learning.samplers.MPerClassSampler",
    "catalyst.data.BalanceClassSampler",
)
"""Samplers of other packages that draw each class as often as the others."""


@function(*BALANCING)
def _balancing_sampler(ip: Interpreter, info: CallInfo) -> Value:
    return of(ip.new("sampler", info.node, info.name))


@prefix("torch.utils.data.", "torchvision.datasets.", "datasets.load_dataset")
def _make_dataset(ip: Interpreter, info: CallInfo) -> Value:
    if "ampler" in info.name:
        made = ip.new("sampler", info.node, info.name)
        if info.name.endswith(".BatchSampler"):
            ip.store.set(made, "sampler", info.argument(0, "sampler"))
        return of(made)
    if info.name.endswith("random_split"):
        lengths = info.argument(1, "lengths").only
        if not isinstance(lengths, Seq) or lengths.items is None:
            return of(Seq(None, _part_of(ip, info, _SOME_PART)))
        return of(Seq(tuple(_part_of(ip, info, number) for number in range(len(lengths.items)))))
    if info.name.endswith(".Subset"):
        return _part_of(ip, info, _SUBSET)
    made = ip.new("dataset", info.node, info.name)
    GIVEN.of(ip)[made] = info
    if info.name.endswith(".TensorDataset"):
        ip.store.set(made, COLUMNS, join_all(info.positional))
    return of(made)


COLUMNS = "<columns>"
"""The slot of a data set for the tensors that it is made of, one row of each for a record."""


def _part_of(ip: Interpreter, info: CallInfo, which: Hashable) -> Value:
    made = ip.new("dataset", info.node, info.name, which)
    ip.store.set(made, PART_OF, info.argument(0, "dataset"))
    GIVEN.of(ip)[made] = info
    return of(made)
