"""Sensitivity through the script's own loop: leave one example out and see what receives the noise."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dpmigrate.runtime.batches import tensors_in
from dpmigrate.runtime.run.experiments.snapshots import BatchChange, Kind, Probed, Prober, Snapshot
from dpmigrate.runtime.run.figures import relative
from dpmigrate.runtime.run.watching import warm_up
from dpmigrate.runtime.run.watching.digest import tensor_digest
from dpmigrate.runtime.run.watching.engines import LiveEngine
from dpmigrate.runtime.run.watching.graph import flatten
from dpmigrate.runtime.run.watching.state import Watch

MOST_EXAMPLES = 64
"""All examples of a batch are left out in turn up to this many; of a larger batch, an even sample."""

FEW_EXAMPLES = 2
"""As many where nothing is left to be found: the sums are those of plain autograd, so that each example's
part is bounded, and either half of the batch was changed without moving what the other contributes; or a half
that moves the other has been found."""

APART = 1e-2
"""The largest coupling, in units of C, of halves that do not move each other."""

EXACT = 1e-3
"""Up to here, in units of C, halves add up to what the step itself had; else that is run again, too."""

BUDGET = 30.0
"""Seconds to spend on one engine; what was tried by then is what is reported."""


@dataclass
class Removal:
    """What changing a batch did to one engine: ``moves`` holds (index, distance in units of C).

    ``replacements`` are the same for another example in its place, ``replaced``: the loop draws random
    numbers, which a missing example would shift for all others, so that none was left out.
    ``coupling``, in units of C: how far the change of one half of a batch depends on who the other half is;
    0 where each example counts for itself; ``reshaped``: the model's input had another shape then.
    ``counted``: the same for how many the others are.
    ``written``: how far the parameters depend on an example after a step that was given the same noisy
    value, 0 where only the step has moved them; ``beside``: of what another optimizer trains; ``kept``, in
    units of C: of what receives the noise in the next step. ``taught``: by which share it depends on models
    that were trained on the same data without privacy.
    """

    engine: int
    size: int
    moves: list[tuple[int, float]] = field(default_factory=list)
    replacements: list[tuple[int, float]] = field(default_factory=list)
    replaced: bool = False
    coupling: float | None = None
    counted: float | None = None
    reshaped: bool = False
    written: float | None = None
    beside: float | None = None
    kept: float | None = None
    taught: float | None = None
    problem: str = ""

    @property
    def coupled(self) -> bool:
        """Whether one half of a batch moves what the other contributes by more than rounding ever does."""
        return (self.coupling or 0.0) > 0.1

    @property
    def worst(self) -> tuple[int, float]:
        """The example whose absence moves the value most."""
        return max(self.moves, key=lambda m: m[1])


class Remover(Prober):
    """Tries each of the first ``steps`` logical steps for coupling, the last of them example by example.

    ``proved``: the private runs whose sums are those of the oracle; ``writing``: those whose parameters are
    written between steps as well. Steps before the ``first`` are made as they are.
    """

    def __init__(
        self,
        watch: Watch,
        steps: int,
        folder: Path,
        proved: Collection[int] = (),
        writing: Collection[int] = (),
        first: int = 1,
    ) -> None:
        super().__init__(watch, steps, folder)
        self.first = first
        self.proved, self.writing = proved, writing
        self._value_path = folder / "value.pt"
        self.stepped: LiveEngine | None = None
        self.delivered = 0
        self.found: dict[int, Removal] = {}
        watch.record.removal = self.found

    def install(self) -> None:
        """Watch the samplers, and the value that receives the noise."""
        super().install()
        self.watch.before_value = self.before_value

    def offer(self, batch: Any) -> Any:
        """The batch that a sampler yields, tried from the first step on, and not after one made again."""
        made = max((len(e.steps) for e in self.watch.record.engines), default=0)
        offered = super().offer(batch) if self.stepped is None and made + 1 >= self.first else batch
        if self.probing is not None and self.probing.kind == Kind.TAUGHT:
            for engine in self.watch.engines.values():
                for trained in warm_up.teachers(self.watch, engine):
                    trained.parameter.data.mul_(0.5).add_(0.1)
        return offered

    def before_value(self, engine: LiveEngine, value: Tensor) -> None:
        """End a probe, or run the probes of this step."""
        place = self.watch.record.engines.index(engine.record)
        if self.probing is not None:
            self.go_on(*[value] * (engine is self.stepped))
            if self.probing.kind != Kind.WRITTEN:
                self.leave(value, engine.shape)
            self._step_as_it_was(engine)
            return
        number = len(engine.record.steps) + 1
        if not self.first <= number <= self.steps:
            return
        bound = noise_bound(engine)
        result = self.found.setdefault(place, Removal(place, 0))
        last = number == self.steps
        taken = self.snapshot
        if taken is not None and taken.size >= 4 and not last and place not in self.writing:
            gap = self._coupling(taken, result, value, number) / bound
            if gap <= EXACT:
                result.coupling = max(result.coupling or 0.0, gap)
                return
        base = self.whole(self.snapshot, value, bound)
        if isinstance(base, str):
            result.problem = base
            return
        whole, result.replaced, snapshot = base
        if snapshot.size >= 4:
            gap = self._coupling(snapshot, result, whole, number) / bound
            result.coupling = max(result.coupling or 0.0, gap) if gap < math.inf else result.coupling
        if last or place in self.writing:
            self._look_at_writes(snapshot, result, value, engine)
        if last and warm_up.teachers(self.watch, engine):
            taught = self.probe(snapshot, BatchChange(Kind.TAUGHT))
            result.taught = None if taught is None else relative(taught.value, whole)
        if last and snapshot.size >= 4 and not (result.replaced or result.coupled):
            self._count(snapshot, result, whole, bound)
        # The last step has gradients of an earlier one to trip over.
        told = result.coupled and bool(result.moves or result.replacements)
        if not told and (result.coupled or last):
            self._probe_all(snapshot, result, whole, bound)

    def _step_as_it_was(self, engine: LiveEngine) -> None:
        """Let this probe go on after its step, with the noisy value of the batch as it is."""
        params = list(engine.optimizer.params)
        parts = torch.split(torch.load(self._value_path, weights_only=True), [p.numel() for p in params])
        self.watch.instead = {id(p): part.view_as(p).to(p) for p, part in zip(params, parts, strict=True)}
        self.watch.settings.steps = sys.maxsize
        self.stepped = engine

    def go_on(self, *value: Tensor) -> None:
        """Before the next step (of the same run: with its ``value``), or at the end: leave the parameters."""
        if self.stepped is not None:
            bound = torch.tensor(noise_bound(self.stepped), dtype=torch.float64)
            parts = [*self.stepped.params, *self.stepped.beside.values(), bound, *value]
            self.leave(flatten(parts), [self.delivered])

    def _fetch(self, original: Any, fetcher: Any, batch: Any, /) -> Any:
        """Also tell the batches of the next step from one another."""
        examples = super()._fetch(original, fetcher, batch)
        if self.stepped is not None:
            self.delivered = tensor_digest(tensors_in(examples), self.delivered)
        return examples

    def _look_at_writes(self, snapshot: Snapshot, result: Removal, value: Tensor, engine: LiveEngine) -> None:
        """Replace some examples where the step itself does not notice: do the parameters, or the next one?"""
        torch.save(value, self._value_path)
        own = sum(engine.record.sizes)
        beside = own + sum(p.numel() for p in engine.beside.values())
        whole = self.probe(snapshot, BatchChange(Kind.WRITTEN, -1))
        for index in sorted({0, snapshot.size // 2, snapshot.size - 1}):
            other = self.probe(snapshot, BatchChange(Kind.WRITTEN, index))
            if whole is None or other is None:
                return
            seen, wanted = other.value, whole.value
            if result.engine in self.writing:
                result.written = max(result.written or 0.0, relative(seen[:own], wanted[:own]))
                result.beside = max(result.beside or 0.0, relative(seen[own:beside], wanted[own:beside]))
            # With another batch, norm or draws, or clipped by its own rule, the next step differs anyhow.
            alike = seen.shape == wanted.shape and other[2:] == whole[2:] and not engine.record.own_clipping
            if alike and seen[beside] == wanted[beside]:
                apart = float((seen - wanted)[beside:].norm()) / float(wanted[beside])
                result.kept = max(result.kept or 0.0, apart)

    def _coupling(self, snapshot: Snapshot, result: Removal, whole: Tensor, number: int) -> float:
        """Change each half of the batch, then both: where no example moves another, the changes add up.

        By how much they do not; infinite where the loop fails on a changed batch.
        """
        # One example, the first or the last, is put in the place of others at each step, both where one is.
        donors = (0, snapshot.size - 1)
        worst = 0.0
        for donor in donors if self.steps == 1 else donors[number % 2 :][:1]:
            halves = (BatchChange(kind, donor) for kind in Kind.HALVES)
            probes = self._probe_three(snapshot, halves)
            if not probes:
                return worst or math.inf
            result.reshaped |= len({tuple(p.shape) for p in probes}) > 1
            worst = max(worst, gap_of(whole, [p.value for p in probes]))
        return worst

    def _count(self, snapshot: Snapshot, result: Removal, whole: Tensor, bound: float) -> None:
        """Leave out one third of the batch, another, then both: what each takes away adds up as well."""
        probes = self._probe_three(snapshot, map(BatchChange, Kind.FEWER))
        gap = gap_of(whole, [p.value for p in probes]) if probes else 0.0
        if gap > EXACT * bound:
            # What is drawn by a generator of the script's own goes by the row, and by no number of rows.
            turned = self.probe(snapshot, BatchChange(Kind.TURNED))
            result.replaced = turned is None or float((whole - turned.value).norm()) > gap / 4
        result.counted = None if result.replaced else gap / bound

    def _probe_three(self, snapshot: Snapshot, changes: Iterable[BatchChange]) -> list[Probed]:
        """What three changed batches make of the loop; nothing where it fails on one."""
        probes = [self.probe(snapshot, change) for change in changes]
        return [p for p in probes if p is not None] if all(probes) else []

    def _probe_all(self, snapshot: Snapshot, result: Removal, whole: Tensor, bound: float) -> None:
        result.size, result.problem = snapshot.size, ""
        if snapshot.size == 1:
            # Nothing is left of the batch: the value itself is the move.
            result.moves.append((0, float(whole.norm()) / bound))
            return
        if not result.replaced:
            result.moves = self._probe_each(snapshot, result, Kind.WITHOUT, whole, bound)
            if not result.moves or result.worst[1] <= 1 or result.coupled:
                return
        # Where a missing example shifts the random draws of the others, a replaced one does not.
        result.replacements = self._probe_each(snapshot, result, Kind.REPLACED, whole, bound)

    def _probe_each(
        self, snapshot: Snapshot, result: Removal, kind: int, whole: Tensor, bound: float
    ) -> list[tuple[int, float]]:
        deadline = time.monotonic() + BUDGET
        apart = result.coupling is not None and result.coupling <= APART
        few = result.coupled or (apart and result.engine in self.proved)
        count = min(snapshot.size, FEW_EXAMPLES if few else MOST_EXAMPLES)
        moves = []
        for turn in range(count):
            index = turn * snapshot.size // count
            probe = self.probe(snapshot, BatchChange(kind, index))
            if probe is None:
                result.problem = f"the loop fails when example {index} of the batch is left out"
                break
            moves.append((index, float((whole - probe.value).norm()) / bound))
            if time.monotonic() > deadline:
                break
        return moves


def gap_of(whole: Tensor, changed: Sequence[Tensor]) -> float:
    """How far two changes of a batch are from adding up: ``changed`` has the value of each and of both."""
    first, second, both = changed
    return float((whole - first - second + both).norm())


def noise_bound(engine: LiveEngine) -> float:
    """The norm that the noise is scaled for: that of all bounds together where each parameter has one."""
    norm = engine.optimizer.max_grad_norm
    return float(norm) if not isinstance(norm, (list, tuple)) else sum(float(c) ** 2 for c in norm) ** 0.5
