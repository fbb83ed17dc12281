"""``torch.save`` and ``torch.load`` of a private model's weights, and of the accountant beside them."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import replace

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.holding import runs_of_model
from dpmigrate.analysis.ledger import Circumstances
from dpmigrate.analysis.ledger.checkpoints import AccountantCarried, WeightsResumed, WeightsSaved
from dpmigrate.analysis.library import rounds
from dpmigrate.analysis.library.passed import runs_before
from dpmigrate.analysis.library.registry import CallInfo, function, method
from dpmigrate.analysis.library.torch.names import real
from dpmigrate.analysis.training import TrainingRun
from dpmigrate.analysis.values import NONE, NOTHING, Atom, Entry, Obj, Unknown, Value, of

ENGINES = ("engine", "adaptive-engine")
_LOADED = "a file's content"
_WAITING = "weights loaded before a run"


@function("torch.save")
def _save(ip: Interpreter, info: CallInfo) -> Value:
    path = info.argument(1, "f").only
    for atom in set(_inside(ip, info.argument(0, "obj"))):
        if isinstance(atom, Obj) and atom.kind in ENGINES:
            _carried(ip, atom, info)
        elif path is not None:
            for run in runs_of_model(ip, atom):
                ip.happen(run, WeightsSaved(ip.at(info.node), path))
    return NONE


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
    path = info.argument(0, "f").only
    if path is None:
        return ip.unknown(info.node, "a checkpoint")
    return of(Unknown((_LOADED, path, id(info.node)), "a checkpoint"))


def _path_of(value: Value) -> Hashable:
    """The file that weights come from; None where that is not known."""
    symbol: Hashable = value.only.symbol if isinstance(value.only, Unknown) else None
    while isinstance(symbol, tuple) and len(symbol) == 3 and symbol[1] == ".":
        symbol = symbol[0]
    known = isinstance(symbol, tuple) and len(symbol) == 3 and symbol[0] == _LOADED
    return symbol[1] if known and isinstance(symbol, tuple) else None


@method(("model", "dp-model"), "load_state_dict")
def _load_weights(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    model, path = real(e.atom), _path_of(info.argument(0, "state_dict"))
    there = runs_before(ip, info.node)
    if isinstance(e.atom, Obj) and e.atom.kind == "model":
        rounds.loaded(ip, model, info)
    if path is not None:
        for run in [run for run in runs_of_model(ip, model) if run in there]:
            ip.happen(run, WeightsResumed(ip.at(info.node, e.guard), path))
        ip.notes.setdefault(_WAITING, {})[model] = (ip.at(info.node, e.guard), path)
    return ip.unknown(info.node, "missing keys", frozenset({model}))


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
        waiting: dict[Atom, tuple[Circumstances, Hashable]] = ip.notes.get(_WAITING, {})
        for model in run.raw_models & waiting.keys():
            here, path = waiting[model]
            ip.happen(run, WeightsResumed(replace(here, guard=here.guard | ip.path), path))
    return NONE


@method(ENGINES, "save_checkpoint")
def _checkpoint(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    _carried(ip, real(e.atom), info)
    return ip.unknown(info.node, "a checkpoint")


@method("unknown", "state_dict")
def _state_of_something(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """``engine.accountant.state_dict()``."""
    parts = e.atom.parts if isinstance(e.atom, Unknown) else frozenset()
    for atom in parts:
        if isinstance(atom, Obj) and atom.kind in ENGINES:
            _carried(ip, atom, info)
    return ip.unknown(info.node, f"result of {info.name}", frozenset(parts))


def _carried(ip: Interpreter, engine: Atom, info: CallInfo) -> None:
    for run in list(ip.runs.values()):
        if run.engine is not None and real(run.engine) == real(engine):
            ip.happen(run, AccountantCarried(ip.at(info.node)))
