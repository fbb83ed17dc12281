"""What a model was trained by before it was made private: steps on its own records that no epsilon counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from torch import Tensor

from dpmigrate.runtime.run.places import user_place
from dpmigrate.runtime.run.records import BareSteps

if TYPE_CHECKING:
    from dpmigrate.runtime.run.watching.engines import LiveEngine
    from dpmigrate.runtime.run.watching.state import Watch


class Trained(NamedTuple):
    """A parameter as an optimizer has left it, and the steps so far on one data set."""

    parameter: Tensor
    version: int
    data: Any
    optimizer: Any
    steps: BareSteps


def stepped(watch: Watch, optimizer: Any) -> None:
    """After the step of an optimizer that is no private one: note what it has trained, and on which data."""
    params = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    last: Trained | None = watch.trained.get(id(params[0])) if params else None
    if watch.feeding is None:
        return
    goes_on = last is not None and last.data is watch.feeding and last.optimizer is optimizer
    steps = last.steps if last is not None and goes_on else BareSteps()
    steps.one_more(optimizer, steps.by or user_place())
    for p in params:
        watch.trained[id(p)] = Trained(p, p._version, watch.feeding, optimizer, steps)


def look_back(watch: Watch, engine: LiveEngine, data: Any) -> None:
    """Note where a model that is made private comes from steps on this very data set, untouched since."""
    past: list[Trained | None] = [watch.trained.get(id(p)) for p in engine.params]
    for trained in past:
        if trained and trained.data is data and trained.version == trained.parameter._version:
            raw = trained.optimizer is engine.optimizer.original_optimizer
            engine.record.before, engine.record.before_rule = trained.steps, "DPM120" if raw else "DPM123"
