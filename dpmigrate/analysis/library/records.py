"""Which records a private run trains on."""

from __future__ import annotations

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Atom, Obj, Unknown
from dpmigrate.analysis.library.torch.names import real
from dpmigrate.analysis.training import TrainingRun


def records_of(ip: Interpreter, run: TrainingRun) -> Atom | None:
    """The data set of a run, or its loader where that came in from outside; None where it may be several."""
    loader = run.argument("data_loader").only
    if isinstance(loader, Unknown):
        return loader
    if isinstance(loader, Obj) and loader.kind == "dp-loader":
        return records_of(ip, loader.data) if loader.data is not run else None
    held = ip.store.get(real(loader), "dataset") if loader is not None else None
    return held.only if held is not None else None
