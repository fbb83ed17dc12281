"""What goes on from round to round: weights that are loaded, and engines that a round makes."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, replace

from dpmigrate.analysis.classes import external_names
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.ledger import Circumstances
from dpmigrate.analysis.ledger.accounting import EngineOfARound, WeightsLoaded
from dpmigrate.analysis.library.registry import CallInfo
from dpmigrate.analysis.training import TrainingRun
from dpmigrate.analysis.values import Atom

FLOWER_CLIENTS = frozenset(["NumPyClient", "Client"])
_ROUND = "made in a round"


@dataclass(slots=True)
class _Weights:
    """One place where a model gets weights, and everything that it was seen to get there."""

    at: Circumstances
    seen: set[Atom] = field(default_factory=set)


def loaded(ip: Interpreter, model: Atom, info: CallInfo) -> None:
    """A model loads a state."""
    places: dict[Hashable, _Weights] = ip.notes.setdefault(("weights", model), {})
    place = places.setdefault((info.node, ip.context), _Weights(ip.at(info.node)))
    place.seen.update(info.argument(0, "state_dict").atoms)


def engine_made(ip: Interpreter, engine: Atom) -> None:
    """Remember in which method of a framework's round an engine is made."""
    place = _round(ip)
    if place is not None:
        ip.notes[_ROUND, engine] = place


def tell_of_rounds(ip: Interpreter, run: TrainingRun) -> None:
    """Record on a run which weights its model got, and whether a round makes its engine."""
    here = ip.at(run.origin.node)
    for model in run.raw_models:
        for weights in ip.notes.get(("weights", model), {}).values():
            there = replace(weights.at, guard=here.guard)
            ip.happen(run, WeightsLoaded(there, len(weights.seen) > 1))
    place = _round(ip)
    if place is not None and ip.notes.get((_ROUND, run.engine)) == place:
        ip.happen(run, EngineOfARound(here, "Flower"))


def _round(ip: Interpreter) -> Hashable:
    """The activation of a method that Flower calls in every round, if there is one around; else None."""
    for frame in ip.frames:
        function = frame.function
        if function is None:
            continue
        owner = function.owner
        client = owner is not None and any(
            name.startswith("flwr.") and name.rpartition(".")[2] in FLOWER_CLIENTS
            for name in external_names(owner)
        )
        by_app = "train" in function.decorators and b"flwr" in function.module.source.data
        if (client and function.name == "fit") or by_app:
            return frame.owner
    return None
