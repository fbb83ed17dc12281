"""What a model was trained by before it was made private: steps on its own records that no epsilon counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from torch import Tensor

from dpmigrate.runtime.run.places import user_place

if TYPE_CHECKING:
    from dpmigrate.runtime.run.engines import LiveEngine
    from dpmigrate.runtime.run.state import Watch


class Trained(NamedTuple):
    """A parameter as an optimizer has left it, the data set that fed it, and the steps so far."""

    parameter: Tensor
    version: int
    data: Any
    optimizer: Any
    steps: int
    place: str


def stepped(watch: Watch, optimizer: Any) -> None:
    """After the step of an optimizer that is no private one: note what it has trained, and on which data."""
    if watch.feeding is None:
        return
    for group in optimizer.param_groups:
        for p in group["params"]:
            if p.grad is None:
                continue
            last: Trained | None = watch.trained.get(id(p))
            goes_on = last is not None and last.data is watch.feeding and last.optimizer is optimizer
            steps, place = (last.steps, last.place) if last is not None and goes_on else (0, user_place())
            watch.trained[id(p)] = Trained(p, p._version, watch.feeding, optimizer, steps + 1, place)


def look_back(watch: Watch, engine: LiveEngine, data: Any) -> None:
    """Note where a model that is made private comes from steps on this very data set, untouched since."""
    past: list[Trained | None] = [watch.trained.get(id(p)) for p in engine.params]
    own = [t for t in past if t is not None and t.data is data and t.version == t.parameter._version]
    if own:
        last = own[-1]
        rule = "DPM120" if last.optimizer is engine.optimizer.original_optimizer else "DPM123"
        engine.record.warm_up = (rule, last.steps, f"{type(last.optimizer).__name__} at {last.place}")
