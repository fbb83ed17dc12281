"""What a model was trained by before it was made private: steps on its own records that no epsilon counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from dpmigrate.runtime.run.places import user_place
from dpmigrate.runtime.run.records import BareSteps

if TYPE_CHECKING:
    from dpmigrate.runtime.run.watching.engines import LiveEngine
    from dpmigrate.runtime.run.watching.state import Watch


class Trained(NamedTuple):
    """A parameter as an optimizer has left it; the steps on one data set, and whether none was private."""

    parameter: Tensor
    version: int
    data: Any
    optimizer: Any
    steps: BareSteps
    early: bool


def stepped(watch: Watch, optimizer: Any) -> None:
    """After the step of an optimizer that is no private one: note what it has trained, and on which data."""
    params = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    last: Trained | None = watch.trained.get(id(params[0])) if params else None
    loop = watch.feeding()
    if loop is None:
        return
    data = getattr(loop, "_dataset", None)
    goes_on = last is not None and last.data is data and last.optimizer is optimizer
    steps = last.steps if last is not None and goes_on else BareSteps()
    steps.one_more(optimizer, steps.by or user_place())
    early = not any(e.record.releases for e in watch.engines.values())
    for p in params:
        watch.trained[id(p)] = Trained(p, p._version, data, optimizer, steps, early)


def look_back(watch: Watch, engine: LiveEngine) -> None:
    """Note where a model that is made private comes from steps on this very data set, untouched since."""
    for trained in _untouched(watch, engine):
        if any(trained.parameter is p for p in engine.params):
            raw = trained.optimizer is engine.optimizer.original_optimizer
            engine.record.before, engine.record.before_rule = trained.steps, "DPM120" if raw else "DPM123"


def brought_in(watch: Watch, engine: LiveEngine) -> None:
    """Note where a private model was given the weights that such steps have made of a copy of it."""
    made = [t for t in _untouched(watch, engine) if not any(t.parameter is p for p in engine.params)]
    if made and all(any(torch.equal(t.parameter, p) for t in made) for p in engine.params):
        engine.record.other = made[-1].steps


def teachers(watch: Watch, engine: LiveEngine) -> list[Trained]:
    """What such steps had made before any was private, and is neither part of a private model nor trained by
    one."""
    private = {id(p) for e in watch.engines.values() for p in (*e.params, *e.beside.values())}
    return [t for t in _untouched(watch, engine) if t.early and id(t.parameter) not in private]


def _untouched(watch: Watch, engine: LiveEngine) -> list[Trained]:
    """What was trained on this run's data set without privacy, and written by nothing else since."""
    data, trained = engine.feed.data, list(watch.trained.values())
    return [t for t in trained if data is not None and t.data is data and t.version == t.parameter._version]
