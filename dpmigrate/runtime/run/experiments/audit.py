"""``--audit``: an attack on the script's own steps, by somebody who sees the value that receives the noise.

One example, the worst that is found, is in a logical batch or is not. The script's own loop makes the value
of both batches, its own optimizer adds its noise again and again, and the attacker guesses from each draw
which of the two it is: by which side it lies of the middle between both values. How often that is right
says how much the steps give away, whatever the code says about itself.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dpmigrate.runtime.run.experiments.audit_bound import Guesses
from dpmigrate.runtime.run.experiments.held import HeldBounds
from dpmigrate.runtime.run.experiments.removal import noise_bound
from dpmigrate.runtime.run.experiments.snapshots import BatchChange, Kind, Prober, Snapshot, number
from dpmigrate.runtime.run.records import LogicalStep
from dpmigrate.runtime.run.watching.engines import LiveEngine
from dpmigrate.runtime.run.watching.generators import reseeded
from dpmigrate.runtime.run.watching.graph import flatten
from dpmigrate.runtime.run.watching.state import Watch

RUNS, DRAWS = 4, 2500
"""Runs of each of the two batches through the script's loop, and draws of noise in each run."""

DRAW_SECONDS = 5.0
"""Seconds of drawing noise in one run; what was drawn by then is what is judged."""

MOST_TRIED = 32
"""Examples of a batch that are tried for the worst."""

FACTORS = (50.0, -50.0, 1000.0, math.inf)
"""What the floats of some examples are multiplied by as well: whoever owns an example may hand in any. The
infinite one stands for a canary: the gradient at the model's output is multiplied instead, by LOUD."""

LOUD = 1e4

SHIFTED = (
    "the loop draws random numbers that depend on how many examples there are (a permutation, or by Python, "
    "NumPy or a layer of its own), which one example more changes for all"
)

SEARCH_SECONDS = 20.0
"""Seconds of looking for the worst example."""


@dataclass(eq=False)
class AuditedStep:
    """One logical step: the example of the data, its factor, how far it moves the value (in C), and the
    guesses without and with it."""

    number: int
    example: int
    factor: float
    move: float = 0.0
    absent: Guesses = field(default_factory=Guesses)
    present: Guesses = field(default_factory=Guesses)
    problem: str = ""

    @property
    def drawn(self) -> int:
        """Draws of noise, without and with the example."""
        return self.absent.drawn + self.present.drawn


@dataclass(eq=False)
class Audit:
    """The attack on one private run: the example that is used (of the data, and its factor), chosen where so
    many parameters are trained, and the steps; ``drew``: the loop draws random numbers, which are held."""

    engine: int
    example: int | None = None
    factor: float = 1.0
    trained: int = 0
    drew: bool = False
    steps: list[AuditedStep] = field(default_factory=list)
    problem: str = ""


class Auditor(Prober):
    """Attacks each of the first ``steps`` logical steps, with one example as long as the same is trained."""

    def __init__(self, watch: Watch, steps: int, folder: Path, seed: int) -> None:
        super().__init__(watch, steps, folder)
        self.seed = seed
        self._direction_path, self._bounds_path = folder / "direction.pt", folder / "bounds.pt"
        self.bounds = HeldBounds()
        self.found: dict[int, Audit] = {}
        watch.record.audit = self.found

    def install(self) -> None:
        """Watch the samplers, and the noise."""
        super().install()
        self.bounds.install()
        self.watch.before_noise, self.watch.at_forward = self.before_noise, self._sing

    def _sing(self, given: list[Tensor], outputs: list[Any]) -> None:
        """In a probe with a canary: make its gradient as large as no clipping lets through."""
        if self.canary is None or self.probing is None or math.isfinite(self.probing.factor):
            return
        place, size, own = self.canary
        row = given[0][place : place + 1].flatten() if given and given[0].dim() else None
        # A collate function may have put the example elsewhere.
        if (
            row is None
            or not own
            or row.numel() != own[0].numel()
            or not torch.equal(row, own[0].flatten().to(row))
        ):
            return
        for output in outputs:
            if output.shape[:1] == (size,) and list(output.shape).count(size) == 1:
                times = torch.ones(size, *[1] * (output.dim() - 1)).to(output)
                times[place] = LOUD
                output.register_hook(times.mul)

    def hold(self) -> None:
        """Also give this probe the clipping norms of the step."""
        super().hold()
        self.bounds.given = torch.load(self._bounds_path, weights_only=True)

    def before_noise(self, engine: LiveEngine, add_noise: Callable[[], Any]) -> None:
        """The value is about to receive its noise: end a probe, or attack this step."""
        params = [p for p in engine.optimizer.params if getattr(p, "summed_grad", None) is not None]
        bound = noise_bound(engine)
        if self.probing is not None:
            if self.probing.draws:
                self._draw(engine, params, add_noise)
            self.leave(_value(params), [])
        step = len(engine.record.steps) + 1
        chosen, self.bounds.chosen = self.bounds.chosen, []
        if step > self.steps or self._all_done():
            return
        torch.save(chosen, self._bounds_path)
        place = self.watch.record.engines.index(engine.record)
        audit = self.found.setdefault(place, Audit(place))
        base = self.whole(self.snapshot, _value(params), bound)
        if isinstance(base, str):
            audit.problem = base
        else:
            audit.drew |= base[1]
            if audit.example is None or audit.trained != len(params):
                # What moves most is another example where another layer has begun to train.
                audit.trained = len(params)
                self._choose(base[2], audit, bound)
            if audit.example is not None:
                audit.steps.append(self._attack(base[2], audit, step, bound))

    def _choose(self, snapshot: Snapshot, audit: Audit, bound: float) -> None:
        """Look for the example of the batch that moves the value most, as it is and multiplied."""
        deadline = time.monotonic() + SEARCH_SECONDS
        size = snapshot.size
        count = min(size, MOST_TRIED)
        places = [turn * size // count for turn in range(count)]
        examples = [e for e in (number(snapshot.batch[p]) for p in places) if e is not None]
        moves: dict[tuple[int, float], float] = {}
        for example in dict.fromkeys(examples):
            moves[example, 1.0] = self._move(snapshot, audit, (example, 1.0), bound)
            if time.monotonic() > deadline - SEARCH_SECONDS / 2:
                break
        far = sorted(moves, key=lambda pair: -moves[pair])
        # Of those that move little some are far on the wrong side when they are multiplied.
        for example, _ in [*far[:3], *far[-3:]]:
            for factor in FACTORS:
                if time.monotonic() < deadline:
                    moves[example, factor] = self._move(snapshot, audit, (example, factor), bound)
        if not moves:
            audit.problem = "the examples of a batch have no numbers to be told by"
            return
        (example, factor), move = max(moves.items(), key=lambda item: item[1])
        if move <= 0:
            audit.problem = audit.problem or "no example of the batch moves the value that receives the noise"
        else:
            audit.example, audit.factor = example, factor

    def _move(self, snapshot: Snapshot, audit: Audit, who: tuple[int, float], bound: float) -> float:
        values = self._both(snapshot, *who)
        if isinstance(values, str):
            audit.problem = values
            return 0.0
        move = float((values[1] - values[0]).norm()) / bound
        return move if math.isfinite(move) else 0.0

    def _both(self, snapshot: Snapshot, example: int, factor: float) -> tuple[Tensor, Tensor] | str:
        """The value without and with an example, or why it cannot be had."""
        absent = self.probe(snapshot, BatchChange(Kind.ABSENT, example))
        present = self.probe(snapshot, BatchChange(Kind.PRESENT, example, factor))
        if absent is None or present is None:
            return "the loop fails without or with the example"
        if absent.held != present.held or -1 in (absent.held, present.held):
            return SHIFTED
        return absent.value, present.value

    def _attack(self, snapshot: Snapshot, audit: Audit, step: int, bound: float) -> AuditedStep:
        assert audit.example is not None
        attacked = AuditedStep(step, audit.example, audit.factor)
        values = self._both(snapshot, audit.example, audit.factor)
        if isinstance(values, str):
            attacked.problem = values
            return attacked
        gap = values[1] - values[0]
        attacked.move = float(gap.norm()) / bound
        if not 0 < attacked.move < math.inf:
            attacked.problem = "the example does not move this step"
            return attacked
        direction = gap / gap.norm()
        torch.save(direction, self._direction_path)
        middle = float(direction @ (values[0] + values[1])) / 2
        for turn in range(RUNS):
            for present, guesses in enumerate((attacked.absent, attacked.present)):
                # No two runs, steps or private runs see the same noise.
                draws = 1 + (((self.seed * 64 + audit.engine) * 64 + step) * 64 + turn) * 2 + present
                change = BatchChange(
                    (Kind.ABSENT, Kind.PRESENT)[present], audit.example, audit.factor, draws % 2**31
                )
                seen = self.probe(snapshot, change)
                if seen is None:
                    attacked.problem = "the loop fails when its noise is drawn again"
                    return attacked
                guesses.drawn += len(seen.value)
                guesses.wrong += int(((seen.value > middle) != bool(present)).sum())
        return attacked

    def _draw(self, engine: LiveEngine, params: list[Any], add_noise: Callable[[], Any]) -> None:
        """End this probe, leaving what the attacker sees of many draws of noise."""
        assert self.probing is not None
        optimizer = engine.optimizer
        direction = torch.load(self._direction_path, weights_only=True)
        parts = torch.split(direction, [p.numel() for p in params])
        along = [part.to(p.device, p.dtype) for part, p in zip(parts, params, strict=True)]
        sums = [p.summed_grad for p in params]
        reseeded(self.probing.draws, optimizer.generator)
        # Nothing of what follows is a step to be watched.
        engine.current, self.watch.settings.quiet = LogicalStep([]), False
        deadline = time.monotonic() + DRAW_SECONDS
        seen: list[float] = []
        # Neither are these draws held: the modes that do so would look at each of many thousand calls.
        with torch._C.DisableTorchFunction():
            while len(seen) < DRAWS and time.monotonic() < deadline:
                for p, value in zip(params, sums, strict=True):
                    # Opacus marks a sum that has received its noise, and refuses to do it twice.
                    p.summed_grad = value.detach().clone()
                add_noise()
                seen.append(sum(float(p.grad.reshape(-1) @ d) for p, d in zip(params, along, strict=True)))
        self.leave(torch.tensor(seen, dtype=torch.float64), [])


def _value(params: list[Any]) -> Tensor:
    return flatten([p.summed_grad for p in params])
