"""Which records a loader gives, and a private run trains on."""

from __future__ import annotations

from collections.abc import Iterator

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Atom, Obj, Unknown
from dpmigrate.analysis.domain.values import NOTHING, Entry, Value
from dpmigrate.analysis.library.torch.names import real
from dpmigrate.analysis.training import TrainingRun


def dataset_of(ip: Interpreter, loader: Atom) -> Value:
    """What a loader was made of, under the path condition; empty where that was not seen."""
    return ip.read(loader, "dataset") or NOTHING


def datasets_given(ip: Interpreter, run: TrainingRun) -> Iterator[Entry]:
    """What the loaders that a run was given were made of, each with its assumptions."""
    for loader in run.raw_loaders:
        yield from dataset_of(ip, loader).entries


def records_of(ip: Interpreter, run: TrainingRun) -> Atom | None:
    """The data set of a run, or its loader where that came in from outside; None where it may be several."""
    loader = run.argument("data_loader").only
    if isinstance(loader, Unknown):
        return loader
    if isinstance(loader, Obj) and loader.kind == "dp-loader":
        return records_of(ip, loader.data) if loader.data is not run else None
    held = ip.store.get(real(loader), "dataset") if loader is not None else None
    return held.only if held is not None else None
