"""What the shim knows while the script runs, and when it has seen enough."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dpmigrate.runtime.run.records import RunRecord
from dpmigrate.runtime.run.watching.engines import LiveEngine, PrivateModule

MOST_JUDGED = 8
"""Private training runs of one script whose first steps are recorded in full; more are only watched."""


LATER = (10, 20, 50, 100, 200, 500, 1000)
"""Steps after those that are judged which are held to the oracle as well."""


class StopTraining(BaseException):
    """Raised inside ``optimizer.step()`` once enough was seen; no ``except Exception`` catches it."""


@dataclass
class RunSettings:
    """What one run of the script is for.

    ``mode``: None for the script's own, else the mode that every engine is given. ``oracle``: judge
    each backward pass on its graph. ``quiet``: draw the noise and add zeros instead. ``replay``:
    parameters to load after each logical step, by engine, so that two runs never drift apart.
    ``bounds``: max grad norms to clip at instead of the script's, by engine.
    ``engines``: private training runs to wait for; ``grace``: seconds to go on waiting for more.
    ``keep_vectors``: record sums and parameters. ``watch``: seconds to go on after the steps that are
    judged, looking at what is cheap, up to the script's end; 0 stops the script there.
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
    watch: float = 0.0


class Watch:
    """State of the watch in one process.

    ``on_done`` gets the record once enough was seen, before the script is stopped; ``on_enough`` once the
    steps to be judged are there and the script goes on. ``busy`` is True
    while our own backward passes run; ``wrapped_loss`` is the Opacus loss that is going backward.
    ``before_value`` is called with an engine and the flat value that is about to receive noise,
    ``before_noise`` before that with the engine and the call that adds it;
    ``instead`` holds what parameters get for a gradient in place of what was clipped, by id.
    ``at_end`` once the script is over, ``at_forward`` with what a private model is given and returns.
    ``follow`` begins to watch a wrapped model. ``loaded`` counts what the script has read by ``torch.load``.
    ``feeding``: the loop over a loader that has delivered last, None once it is over; ``trained``: what was
    trained before it was private, by the parameter's id.
    ``folder`` is shared by all runs of the script; None in a process that it has started.
    """

    def __init__(self, settings: RunSettings, on_done: Callable[[RunRecord], None]) -> None:
        self.settings = settings
        self.record = RunRecord()
        self.engines: dict[int, LiveEngine] = {}
        self.modules: dict[int, PrivateModule] = {}
        self.on_done = on_done
        self.on_enough: Callable[[RunRecord], None] = lambda record: None
        self.stopping = False
        self.busy = False
        self.wrapped_loss: Any = None
        self.before_value: Callable[[LiveEngine, Tensor], None] | None = None
        self.before_noise: Callable[[LiveEngine, Callable[[], Any]], None] | None = None
        self.instead: Mapping[int, Tensor] = {}
        self.at_end: Callable[[], None] | None = None
        self.at_forward: Callable[[list[Tensor], list[Tensor]], None] | None = None
        self.follow: Callable[[Any], None] = lambda wrapper: None
        self.accountants: list[Any] = []
        self.loaded: int = 0
        self.feeding: Callable[[], Any] = lambda: None
        self.trained: dict[int, Any] = {}
        self.folder: Path | None = None
        self._began = time.perf_counter()
        self._quota_met: float | None = None

    def engine_of(self, private: PrivateModule | None) -> LiveEngine | None:
        """The engine that trains this wrapped model."""
        mine = (e for e in self.engines.values() if private is not None and e.module is private)
        return next(mine, None)

    def judges(self, engine: LiveEngine) -> bool:
        """Whether the step at hand is one of those that are recorded in full."""
        early = len(engine.record.steps) < self.settings.steps
        return (early or engine.later) and self.record.engines.index(engine.record) < MOST_JUDGED

    def holds_to_oracle(self, engine: LiveEngine) -> bool:
        """Whether the step at hand is one that the oracle judges."""
        return self.settings.oracle and self.judges(engine)

    def finished_step(self, engine: LiveEngine) -> None:
        """Book a completed logical step; raises StopTraining when it was the last one needed."""
        step = engine.current
        assert step is not None
        engine.current = None
        now = time.perf_counter()
        step.seconds, engine.started = now - engine.started, now
        if self.judges(engine):
            if self.settings.keep_vectors:
                step.after = engine.flat_parameters()
            if len(engine.record.steps) < self.settings.steps:
                engine.record.steps.append(step)
                self._replay(engine)
            else:
                engine.record.later[len(engine.record.releases)] = step
        engine.later = self.settings.watch > 0 and len(engine.record.releases) + 1 in LATER
        engine.digest = 0
        engine.weights = engine.some_weights()
        self._maybe_stop()

    def other_opacus(self, folder: str) -> None:
        """Stop a script that is about to import another Opacus than the one that is watched."""
        self.record.elsewhere = folder
        self.finish()

    def finish(self) -> None:
        """Hand over the record and stop the script."""
        self.stopping = True
        if self.record.outcome == "ended":
            self.record.outcome = "stopped"
        self.on_done(self.record)
        raise StopTraining

    def _maybe_stop(self) -> None:
        now = time.perf_counter()
        begun = [e for e in self.record.engines if e.releases]
        done = [e for e in begun if len(e.releases) >= self.settings.steps]
        if len(done) < len(begun):
            return
        first = self._quota_met is None
        self._quota_met = self._quota_met or now
        if self.settings.watch:
            if now - self._began > self.settings.watch:
                self.record.outcome = "timed out"
                self.finish()
            if first:
                # Should the script never end, this is what was seen of it.
                self.on_enough(self.record)
        elif len(done) >= self.settings.engines or now - self._quota_met > self.settings.grace:
            self.finish()

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
