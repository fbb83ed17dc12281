"""What the shim knows while the script runs, and when it has seen enough."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from dpmigrate.runtime.run.engines import LiveEngine, PrivateModule
from dpmigrate.runtime.run.records import RunRecord


class StopTraining(BaseException):
    """Raised inside ``optimizer.step()`` once enough was seen; no ``except Exception`` catches it."""


@dataclass
class Settings:
    """What one run of the script is for.

    ``mode``: None for the script's own, else the mode that every engine is given. ``oracle``: judge
    each backward pass on its graph. ``quiet``: draw the noise and add zeros instead. ``replay``:
    parameters to load after each logical step, by engine, so that two runs never drift apart.
    ``bounds``: max grad norms to clip at instead of the script's, by engine.
    ``engines``: private training runs to wait for; ``grace``: seconds to go on waiting for more.
    ``keep_vectors`` and ``measure_noise``: record sums and parameters, and the noise drawn.
    """

    steps: int
    mode: str | None = None
    oracle: bool = False
    quiet: bool = True
    replay: list[list[Tensor]] | None = None
    bounds: Mapping[int, float] = field(default_factory=dict)
    engines: int = 1
    grace: float = 60.0
    keep_vectors: bool = True
    measure_noise: bool = False


class Watch:
    """State of the watch in one process.

    ``on_done`` gets the record once enough was seen, before the script is stopped. ``busy`` is True
    while our own backward passes run; ``wrapped_loss`` is the Opacus loss that is going backward.
    ``before_value`` is called with an engine and the flat value that is about to receive noise;
    ``at_end`` once the script is over.
    """

    def __init__(self, settings: Settings, on_done: Callable[[RunRecord], None]) -> None:
        self.settings = settings
        self.record = RunRecord()
        self.engines: dict[int, LiveEngine] = {}
        self.modules: dict[int, PrivateModule] = {}
        self.on_done = on_done
        self.stopping = False
        self.busy = False
        self.wrapped_loss: Any = None
        self.before_value: Callable[[LiveEngine, Tensor], None] | None = None
        self.at_end: Callable[[], None] | None = None
        self._quota_met: float | None = None

    def engine_of(self, private: PrivateModule | None) -> LiveEngine | None:
        """The engine that trains this wrapped model."""
        for engine in self.engines.values():
            if private is not None and engine.module is private:
                return engine
        return None

    def finished_step(self, engine: LiveEngine) -> None:
        """Book a completed logical step; raises StopTraining when it was the last one needed."""
        step = engine.current
        assert step is not None
        engine.current = None
        now = time.perf_counter()
        step.seconds, engine.started = now - engine.started, now
        if self.settings.keep_vectors:
            step.after = engine.flat_parameters()
        engine.record.steps.append(step)
        engine.digest = 0
        self._replay(engine)
        self._maybe_stop(engine)

    def other_opacus(self, folder: str) -> None:
        """Stop a script that is about to import another Opacus than the one that is watched."""
        self.record.elsewhere = folder
        self.finish()

    def finish(self) -> None:
        """Hand over the record and stop the script."""
        self.stopping = True
        self.record.outcome = "stopped"
        self.on_done(self.record)
        raise StopTraining

    def _maybe_stop(self, engine: LiveEngine) -> None:
        begun = [e for e in self.record.engines if e.steps]
        done = [e for e in begun if len(e.steps) >= self.settings.steps]
        if len(done) == len(begun):
            now = time.perf_counter()
            self._quota_met = self._quota_met or now
            if len(done) >= self.settings.engines or now - self._quota_met > self.settings.grace:
                self.finish()
        # Waiting for another engine: more than enough for this one need not be kept.
        if len(engine.record.steps) > self.settings.steps:
            engine.record.steps.pop()

    def _replay(self, engine: LiveEngine) -> None:
        if self.settings.replay is None:
            return
        place = self.record.engines.index(engine.record)
        done = len(engine.record.steps)
        if place < len(self.settings.replay) and done <= len(self.settings.replay[place]):
            flat = self.settings.replay[place][done - 1]
            with torch.no_grad():
                parts = torch.split(flat, engine.record.sizes)
                for p, part in zip(engine.params, parts, strict=True):
                    p.copy_(part.view(p.shape).to(p.dtype))
