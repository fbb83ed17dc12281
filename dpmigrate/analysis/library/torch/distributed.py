"""Training by several processes: how many there are, and which models they train together.

Source: ``torch.distributed``; Opacus takes a model for one of several where it is wrapped in
``DistributedDataParallel``, torch's or its own (``PrivacyEngine.make_private``, 1.0 to 1.6.0).
"""

from __future__ import annotations

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.describing import amount_of
from dpmigrate.analysis.domain.atoms import Const, Obj, Unknown
from dpmigrate.analysis.domain.values import NONE, Value, const
from dpmigrate.analysis.ledger.sampling import TrainedTogether
from dpmigrate.analysis.registry import CallInfo, function
from dpmigrate.analysis.training import TrainingRun

_PROCESSES = "<processes>"


@function("torch.distributed.init_process_group", "torch.distributed.distributed_c10d.init_process_group")
def _begin(ip: Interpreter, info: CallInfo) -> Value:
    ip.store.set(_PROCESSES, "number", info.argument(None, "world_size"))
    return NONE


def train_together(ip: Interpreter, models: Value) -> None:
    """These models become those of several processes."""
    for e in models.entries:
        if isinstance(e.atom, (Obj, Unknown)):
            ip.store.set((_PROCESSES, e.atom), "wrapped", const(True))


def tell_of_processes(ip: Interpreter, run: TrainingRun, info: CallInfo) -> None:
    """Record that the model of a run is trained by several processes, unless the program says by one."""
    number = ip.read(_PROCESSES, "number") or Value()
    if number.only == Const(1):
        return
    for model in run.raw_models:
        for e in (ip.read((_PROCESSES, model), "wrapped") or Value()).entries:
            if e.atom == Const(True):
                ip.happen(run, TrainedTogether(ip.at(info.node, e.guard), amount_of(number)))
