"""``torch.save`` and ``torch.load`` of a private model's weights, and of the accountant beside them."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Atom, Obj, Unknown
from dpmigrate.analysis.domain.values import NONE, NOTHING, Entry, Value, of
from dpmigrate.analysis.guards import DOUBT, contradict
from dpmigrate.analysis.language.holding import runs_of_model
from dpmigrate.analysis.ledger import Circumstances
from dpmigrate.analysis.ledger.checkpoints import (
    AccountantCarried,
    OptimizerResumed,
    WeightsResumed,
    WeightsSaved,
)
from dpmigrate.analysis.ledger.events import Backward
from dpmigrate.analysis.library import rounds, trained_plainly
from dpmigrate.analysis.library.gradients import runs_of_raw
from dpmigrate.analysis.library.passed import runs_before
from dpmigrate.analysis.library.python.paths import pieces_of
from dpmigrate.analysis.library.torch.names import real
from dpmigrate.analysis.library.trained_before import same_records
from dpmigrate.analysis.notes import Slot
from dpmigrate.analysis.registry import CallInfo, function, method
from dpmigrate.analysis.training import TrainingRun

ENGINES = ("engine", "adaptive-engine")
_LOADED = "a file's content"
_LOADED_AT: Slot[dict[Hashable, Circumstances]] = Slot(dict)
"""By the symbol of a file's content: where it is loaded."""
_WAITING: Slot[dict[Atom, tuple[Circumstances, _Source]]] = Slot(dict)
"""Models whose weights were loaded before a run, and from where."""
_SAVED: Slot[dict[Hashable, list[tuple[TrainingRun, WeightsSaved, frozenset[cst.CSTNode]]]]] = Slot(dict)
"""By the pieces of a path: the runs that write the file, and where the records of each are made."""
_RESUMED: Slot[dict[Hashable, list[tuple[TrainingRun, WeightsResumed, frozenset[cst.CSTNode]]]]] = Slot(dict)
"""By the pieces of a path: the same of the runs that go on from the file."""
_OPTIMIZERS: Slot[dict[Atom, tuple[Circumstances, _Source]]] = Slot(dict)
"""Optimizers whose state was loaded, and from where."""


@function("torch.save")
def _save(ip: Interpreter, info: CallInfo) -> Value:
    path, content = _path(info.argument(1, "f")), info.argument(0, "obj")
    pieces = pieces_of(path)
    keys = frozenset(_keys(ip, content.only))
    for atom in set(_inside(ip, content)):
        if isinstance(atom, Obj) and atom.kind in ENGINES:
            _carried(ip, atom, info)
        elif path is not None or keys:
            trained_plainly.weights_written(ip, atom, path)
            for run in runs_of_model(ip, atom):
                saved = WeightsSaved(ip.at(info.node), path, keys, pieces=pieces)
                ip.happen(run, saved)
                _tell_others(ip, run, replace(saved, by_another=True))
    return NONE


def _tell_others(ip: Interpreter, run: TrainingRun, saved: WeightsSaved) -> None:
    """A file that one run writes and another goes on from, over the same records: in either order."""
    if _has_a_name(saved.pieces):
        made = _records_made(ip, run)
        _SAVED.of(ip).setdefault(saved.pieces, []).append((run, saved, made))
        for other, resumed, of_other in _RESUMED.of(ip).get(saved.pieces, ()):
            if other is not run and (same_records(ip, run, other) or made & of_other):
                ip.happen(other, _outliving(saved, resumed))


def _go_on(ip: Interpreter, run: TrainingRun, at: Circumstances, source: _Source) -> None:
    """Record that a run goes on from the weights of a file."""
    pieces = pieces_of(source.path)
    resumed = WeightsResumed(at, source.path, source.file, source.key, pieces)
    ip.happen(run, resumed)
    if _has_a_name(pieces):
        made = _records_made(ip, run)
        _RESUMED.of(ip).setdefault(pieces, []).append((run, resumed, made))
        for other, saved, of_other in _SAVED.of(ip).get(pieces, ()):
            if other is not run and (same_records(ip, run, other) or made & of_other):
                ip.happen(run, _outliving(saved, resumed))


def _outliving(saved: WeightsSaved, resumed: WeightsResumed) -> WeightsSaved:
    """A file outlives the execution that writes it: options that exclude the two do so in one alone."""
    if not contradict(saved.guard, resumed.guard):
        return saved
    return replace(saved, at=replace(saved.at, guard=frozenset({DOUBT})))


def _has_a_name(pieces: tuple[Hashable, ...]) -> bool:
    """Whether something of a path is written in the program."""
    return any(isinstance(piece, str) for piece in pieces)


def _records_made(ip: Interpreter, run: TrainingRun) -> frozenset[cst.CSTNode]:
    """The places in the program that make the data sets of a run, as they are known here and now.

    Another branch knows nothing of what this one holds, but that the same place makes both.
    """
    loaders = run.argument("data_loader").atoms
    made = (dataset.node for loader in loaders for dataset in _dataset_of(ip, loader))
    return frozenset(node for node in made if node is not None)


def _dataset_of(ip: Interpreter, loader: Atom) -> Iterator[Obj]:
    yield from (a for a in (ip.store.get(loader, "dataset") or NOTHING).atoms if isinstance(a, Obj))


def _keys(ip: Interpreter, content: Atom | None) -> Iterator[str]:
    """The keys of a dict that are known."""
    slots = ip.store.keys(content) if isinstance(content, Obj) and content.kind == "dict" else ()
    yield from (slot[1] for slot in slots if isinstance(slot, tuple) and isinstance(slot[1], str))


def _inside(ip: Interpreter, value: Value, depth: int = 3) -> Iterator[Atom]:
    """The objects that go into a file: entries of dicts, and what something unknown was made of."""
    for atom in value.atoms:
        yield atom
        if isinstance(atom, Unknown):
            yield from atom.parts
        elif isinstance(atom, Obj) and atom.kind == "dict" and depth:
            for slot in ip.store.keys(atom):
                yield from _inside(ip, ip.read(atom, slot) or NOTHING, depth - 1)


@function("torch.load")
def _load(ip: Interpreter, info: CallInfo) -> Value:
    path = _path(info.argument(0, "f"))
    if path is None:
        return ip.unknown(info.node, "a checkpoint")
    symbol = (_LOADED, path, id(info.node))
    _LOADED_AT.of(ip)[symbol] = ip.at(info.node)
    return of(Unknown(symbol, "a checkpoint"))


def _path(given: Value) -> Hashable:
    """What names a file: equal for one file. An option with a default is what it is on every way."""
    return given.only or frozenset(given.atoms) or None


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a state comes from: a path, the content that ``torch.load`` made of it, and a key in that."""

    path: Hashable
    file: Hashable
    key: str


def _source(value: Value) -> _Source | None:
    """The file that a state comes from; None where that is not known."""
    symbol: Hashable = value.only.symbol if isinstance(value.only, Unknown) else None
    key = ""
    while isinstance(symbol, tuple) and len(symbol) == 3:
        above, between, name = symbol
        if above == _LOADED:
            return _Source(between, symbol, key)
        if between != ".":
            return None
        symbol, key = above, str(name).strip("'\"")
    return None


@method(("model", "dp-model"), "load_state_dict")
def _load_weights(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    model, source = real(e.atom), _source(info.argument(0, "state_dict"))
    there = runs_before(ip, info.node)
    is_private = isinstance(e.atom, Obj) and e.atom.kind == "dp-model"
    rounds.loaded(ip, e.atom if is_private else model, info, e.guard)
    if source is not None:
        trained_plainly.weights_read(ip, model, source.path)
        for run in [run for run in runs_of_model(ip, model) if run in there]:
            _go_on(ip, run, ip.at(info.node, e.guard), source)
        if not _trained_by_then(ip, model):
            _WAITING.of(ip)[model] = (ip.at(info.node, e.guard), source)
    return ip.unknown(info.node, "missing keys", frozenset({model}))


def _trained_by_then(ip: Interpreter, model: Atom) -> bool:
    """Whether a run has trained a model already: what is loaded then is the best of its weights, say."""
    return any(isinstance(event, Backward) for run in runs_of_model(ip, model) for event in run.events)


@function("<state loaded into something unknown>")
def _load_into_a_model(ip: Interpreter, info: CallInfo) -> Value:
    """``build().load_state_dict(...)``: a model, as likely as not, that a run may be made of."""
    what, *rest = info.positional
    for e in what.entries:
        _load_weights(ip, CallInfo(info.node, rest, info.keywords), e)
    return NOTHING


@method(("optimizer", "dp-optimizer"), "load_state_dict")
def _load_optimizer(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    source = _source(info.argument(0, "state_dict"))
    if source is not None:
        optimizer = real(e.atom)
        runs = [optimizer.data] if isinstance(optimizer, Obj) and optimizer.kind == "dp-optimizer" else []
        for run in [*runs, *runs_of_raw(ip, optimizer)]:
            ip.happen(run, OptimizerResumed(ip.at(info.node, e.guard), source.file))
        _OPTIMIZERS.of(ip)[optimizer] = (ip.at(info.node, e.guard), source)
    return NONE


@method("model", "apply")
def _apply(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """``model.apply(init_weights)``: its weights are drawn again."""
    rounds.begun_anew(ip, real(e.atom), info)
    return of(e.atom, *e.because)


@function("<run made>")
def _made(ip: Interpreter, info: CallInfo) -> Value:
    """Weights that were loaded into the model before it became private begin this run."""
    private = info.positional[0].only
    if isinstance(private, Obj):
        run: TrainingRun = private.data
        waiting = _WAITING.of(ip)
        for model in run.raw_models & waiting.keys():
            here, source = waiting[model]
            _go_on(ip, run, replace(here, guard=here.guard | ip.path), source)
        for e in run.argument("module").entries:  # a whole model that ``torch.load`` gave
            whole = _source(of(e.atom))
            if whole is not None:
                read = _LOADED_AT.of(ip)[whole.file]
                _go_on(ip, run, replace(read, guard=read.guard | e.guard | ip.path), whole)
        optimizers = _OPTIMIZERS.of(ip)
        for optimizer in run.raw_optimizers & optimizers.keys():
            here, source = optimizers[optimizer]
            ip.happen(run, OptimizerResumed(replace(here, guard=here.guard | ip.path), source.file))
    return NONE


@method(ENGINES, "save_checkpoint")
def _checkpoint(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    _carried(ip, real(e.atom), info)
    path, keys = _path(info.argument(None, "path")), frozenset(["module_state_dict"])
    for atom in info.argument(None, "module").atoms:
        for run in runs_of_model(ip, atom) if path is not None else ():
            ip.happen(run, WeightsSaved(ip.at(info.node), path, keys))
    return ip.unknown(info.node, "a checkpoint")


@method("unknown", "state_dict")
def _state_of_something(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """``engine.accountant.state_dict()``."""
    parts = e.atom.parts if isinstance(e.atom, Unknown) else frozenset()
    for atom in parts:
        if isinstance(atom, Obj) and atom.kind in ENGINES:
            _carried(ip, atom, info)
    return ip.unknown(info.node, f"result of {info.name}", frozenset({e.atom, *parts}))


def _carried(ip: Interpreter, engine: Atom, info: CallInfo) -> None:
    for run in list(ip.runs.values()):
        if run.engine is not None and real(run.engine) == real(engine):
            ip.happen(run, AccountantCarried(ip.at(info.node)))
