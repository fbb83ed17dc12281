"""Engines of the program's own whose ``make_private`` does what Opacus's does, by the parts that it inherits.

What it does about sampling and accounting may be another thing: the run is not tied to the engine.
"""

from __future__ import annotations

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.values import Entry, Value, join_all, of
from dpmigrate.analysis.language.classes import external_base
from dpmigrate.analysis.library.opacus.engines import private_run
from dpmigrate.analysis.library.opacus.making import KEYWORDS
from dpmigrate.analysis.library.opacus.runs import part
from dpmigrate.analysis.registry import CallInfo, method
from dpmigrate.analysis.training import TrainingRun, entries_of_kind

_ENGINES = ("engine", "adaptive-engine")
_PREPARED = "<prepared>"


@method(_ENGINES, "_prepare_model")
def _prepare_model(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    fn = ip.frame.function
    if fn is None or fn.name != "make_private" or fn.owner is None:
        return ip.unknown(info.node, "a prepared model")
    held = {name: ip.store.get(ip.frame.owner, name) for name in KEYWORDS}
    given = {name: value for name, value in held.items() if value}
    if (
        external_base(ip, fn.owner) not in _ENGINES
        or not {"module", "optimizer", "data_loader"} <= given.keys()
    ):
        return ip.unknown(info.node, "a prepared model")
    result = private_run(ip, CallInfo(info.node, [], given, name="make_private"), None)
    ip.store.set(ip.frame.owner, _PREPARED, result)
    return _parts(result, "dp-model")


@method(_ENGINES, "_prepare_optimizer", "_prepare_data_loader", "_prepare_criterion")
def _prepare_the_rest(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    result = ip.store.get(ip.frame.owner, _PREPARED)
    kind = f"dp-{info.name.removeprefix('_prepare_').removeprefix('data_')}"
    return _parts(result, kind) if result else ip.unknown(info.node, "a prepared part")


def _parts(result: Value, kind: str) -> Value:
    """One part of each run that may have been made."""
    parts = []
    for entry, made in entries_of_kind(result, "private-result"):
        run: TrainingRun = made.data
        parts.append(of(part(run, kind), guard=entry.guard))
    return join_all(parts)
