"""Models that torch's own optimizer trains on the records of a run before that run is made.

What a backward pass was fed with waits beside the model for the step that takes it; what loads other weights,
or draws them again, ends all of it. A model that is made in a loop may be another one in each turn: of such
nothing is said.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Atom, Const, Obj, Tensor
from dpmigrate.analysis.domain.values import NOTHING, Value, join_all, of
from dpmigrate.analysis.guards import Guard
from dpmigrate.analysis.ledger.optimizing import TrainedPlainly
from dpmigrate.analysis.library.records import dataset_of
from dpmigrate.analysis.library.torch.names import real
from dpmigrate.analysis.notes import Slot
from dpmigrate.analysis.registry import CallInfo, function
from dpmigrate.analysis.training import TrainingRun

_FED = "<gradients of loaders>"
_TRAINED = "<trained plainly on>"
_MODELS: Slot[dict[Atom, None]] = Slot(dict)
"""The models that were ever trained plainly."""
_FILES: Slot[dict[Hashable, Value]] = Slot(dict)
"""By the path of a file with weights: the plain training that they come from."""


def gradients_made(ip: Interpreter, loss: Tensor, guard: Guard) -> None:
    """A loss of models that are not private goes backward."""
    for one in loss.passes:
        if one.model in loss.reached and isinstance(one.model, Obj) and one.model.kind != "dp-model":
            loaders = [of(batch.loader, guard=guard | batch.guard) for batch in one.batches]
            ip.store.set(one.model, _FED, join_all([ip.read(one.model, _FED) or NOTHING, *loaders]))


def step_taken(ip: Interpreter, models: list[Atom], node: cst.CSTNode, guard: Guard) -> None:
    """An optimizer of torch takes what the gradients of some models were fed with."""
    for model in models:
        fed = ip.read(model, _FED) or NOTHING
        if fed:
            here = [e._replace(guard=e.guard | guard, because=(ip.origin(node),)) for e in fed.entries]
            before = ip.read(model, _TRAINED) or NOTHING
            ip.store.set(model, _TRAINED, join_all([before, Value(tuple(here))]))
            _MODELS.of(ip)[model] = None
            ip.store.set(model, _FED, NOTHING)


def other_weights(ip: Interpreter, model: Atom) -> None:
    """A model gets weights whose origin is not followed."""
    if ip.read(model, _TRAINED):
        ip.store.set(model, _TRAINED, NOTHING)


@function("<unknown call>")
def _drawn_again(ip: Interpreter, info: CallInfo) -> Value:
    """``layer.reset_parameters()``, of whichever model the layer is."""
    if "reset" in info.called or "init" in info.called:
        all_drawn_again(ip)
    return NOTHING


def all_drawn_again(ip: Interpreter) -> None:
    """Weights are drawn, of a model that is not known."""
    for model in _MODELS.of(ip):
        other_weights(ip, model)


def weights_written(ip: Interpreter, model: Atom, path: Hashable) -> None:
    """The weights of a model go into a file that the program names."""
    trained = ip.read(real(model), _TRAINED)
    if trained and isinstance(path, Const) and not ip.loops:
        _FILES.of(ip)[path] = trained


def weights_read(ip: Interpreter, model: Atom, path: Hashable) -> None:
    """A model gets the weights of a file."""
    trained = _FILES.of(ip).get(path)
    if trained is not None:
        ip.store.set(real(model), _TRAINED, trained)


def _records_of(ip: Interpreter, loader: Atom) -> frozenset[Atom]:
    """A loader, and the data set that it is surely made of."""
    dataset = dataset_of(ip, loader).only
    return frozenset([loader] if dataset is None else [loader, dataset])


@function("<run made>")
def _made(ip: Interpreter, info: CallInfo) -> Value:
    private = info.positional[0].only
    if isinstance(private, Obj):
        run: TrainingRun = private.data
        records = frozenset[Atom]().union(*(_records_of(ip, loader) for loader in run.raw_loaders))
        for model in run.raw_models:
            birth = ip.births.get(model) if isinstance(model, Obj) else None
            if birth is None or birth.loops:
                continue
            for e in (ip.read(model, _TRAINED) or NOTHING).entries:
                if e.because and _records_of(ip, e.atom) & records:
                    at = ip.at(run.origin.node, e.guard)
                    ip.happen(run, TrainedPlainly(replace(at, origin=e.because[-1])))
    return NOTHING
