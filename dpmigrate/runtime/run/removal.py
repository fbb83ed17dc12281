"""Sensitivity through the script's own loop: leave one example out and see what receives the noise.

At every logical batch that a sampler yields, the process forks a snapshot of itself that sleeps. When
the value of the chosen logical step is about to receive its noise, the snapshot is asked to run on
from there, each time in a fork of its own, with one example missing: the user's loop, model,
criterion, memory manager and random state all as they were. No input needs to be understood.
"""

from __future__ import annotations

import inspect
import os
import random
import select
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor

from dpmigrate.runtime.model_copy import NoDropout
from dpmigrate.runtime.run.engines import LiveEngine
from dpmigrate.runtime.run.lifeline import end_group, follow_parent
from dpmigrate.runtime.run.patching import family, wrap
from dpmigrate.runtime.run.state import Watch

MOST_EXAMPLES = 64
"""All examples of a batch are left out in turn up to this many; of a larger batch, an even sample."""

BUDGET = 30.0
"""Seconds to spend on one engine; what was tried by then is what is reported."""

PATIENCE = 60.0
"""Seconds that one probe may take."""

WHOLE, WITHOUT, REPLACED, FIRST_HALF, SECOND_HALF, ALL, QUIT = range(7)
"""What a snapshot is asked to run on with: the batch as it is; without an example; with another in its
place; with the examples of one half, or all, replaced by copies of the example that is named."""


@dataclass
class Removal:
    """What changing a batch did to one engine: ``moves`` holds (index, distance in units of C).

    ``replacements`` are the same for another example in its place, ``replaced``: the loop draws random
    numbers, which a missing example would shift for all others, so that none was left out.
    ``coupling``, in units of C: how far the change of one half of a batch depends on who the other half is;
    0 where each example counts for itself; ``reshaped``: the model's input had another shape then.
    """

    engine: int
    size: int
    moves: list[tuple[int, float]] = field(default_factory=list)
    replacements: list[tuple[int, float]] = field(default_factory=list)
    replaced: bool = False
    coupling: float | None = None
    reshaped: bool = False
    problem: str = ""

    @property
    def worst(self) -> tuple[int, float]:
        """The example whose absence moves the value most."""
        return max(self.moves, key=lambda m: m[1])


@dataclass
class Snapshot:
    """A sleeping fork: its process, the pipe that commands it, the one that it answers on."""

    process: int
    commands: int
    answers: int
    size: int

    def ask(self, change: tuple[int, int]) -> bool:
        """Send a change and wait for its end; False when it takes longer than PATIENCE."""
        os.write(self.commands, struct.pack("ii", *change))
        ready, _, _ = select.select([self.answers], [], [], PATIENCE)
        return bool(ready and os.read(self.answers, 1))

    def end(self) -> None:
        """Let the process go."""
        with suppress(BrokenPipeError):
            os.write(self.commands, struct.pack("ii", QUIT, 0))
        os.close(self.commands)
        os.close(self.answers)
        os.waitpid(self.process, 0)


class Remover:
    """Takes snapshots and runs probes in one process; a probe is this object in a fork.

    Each of the first ``steps`` logical steps is tried for coupling, the last of them example by example.
    """

    def __init__(self, watch: Watch, steps: int, folder: Path) -> None:
        self.watch = watch
        self.steps = steps
        self.folder = folder
        self.snapshot: Snapshot | None = None
        self.empty = False
        self.probing: tuple[int, int] | None = None
        self.state: Any = None
        self.found: dict[int, Removal] = {}

    def install(self) -> None:
        """Watch the samplers; make what is random about an example depend on that example alone."""
        from opacus.utils import uniform_sampler

        torch.set_num_threads(1)
        for base in (torch.utils.data.BatchSampler, uniform_sampler.UniformWithReplacementSampler):
            for cls in family(base):
                wrap(cls, "__iter__", self._batches)
        wrap(torch.utils.data.DataLoader, "__init__", _without_workers)
        wrap(torch.utils.data._utils.fetch._MapDatasetFetcher, "fetch", _fetch_each_alike)
        # Masks would change for every example when one is missing.
        NoDropout().__enter__()  # type: ignore[no-untyped-call]
        self.watch.before_value = self.before_value
        self.watch.at_end = self.end
        self.watch.record.removal = self.found

    def _batches(self, original: Any, sampler: Any, /) -> Iterator[Any]:
        for batch in original(sampler):
            yield self.offer(batch)

    def offer(self, batch: Any) -> Any:
        """The batch that a sampler yields; in a probe, without the example that is to be left out."""
        if self.probing is not None or self._all_done():
            return batch
        self.empty = len(batch) == 0
        if self.empty:
            return batch
        if self.snapshot is not None:
            self.snapshot.end()
        self.snapshot = self._take(len(batch))
        if self.snapshot is not None:
            return batch
        assert self.probing is not None
        self.state = _random_state()
        return changed(list(batch), *self.probing)

    def before_value(self, engine: LiveEngine, value: Tensor) -> None:
        """The value is about to receive its noise: end a probe, or run the probes of this step."""
        place = self.watch.record.engines.index(engine.record)
        if self.probing is not None:
            self._leave(value, engine.shape)
        number = len(engine.record.steps) + 1
        if number > self.steps:
            return
        norm = engine.optimizer.max_grad_norm
        bound = (
            float(norm) if not isinstance(norm, (list, tuple)) else sum(float(c) ** 2 for c in norm) ** 0.5
        )
        result = self.found.setdefault(place, Removal(place, 0))
        if self.snapshot is None:
            result.problem = (
                "the batch of that step is empty"
                if self.empty
                else "its batches do not come from a torch DataLoader"
            )
            return
        base = self._probe(self.snapshot, (WHOLE, 0))
        if base is None:
            result.problem = "the loop could not be run again from where its batch was drawn"
            return
        whole, result.replaced, _ = base
        if not bool((whole - value).norm() <= 1e-3 * whole.norm() + 1e-9 * bound):
            result.problem = "the loop does something else when it is run again on the same batch"
            return
        self._couple(self.snapshot, result, whole, bound)
        # The last step has gradients of an earlier one to trip over.
        if number == self.steps or (result.coupling or 0) > 0.1:
            self._probe_all(self.snapshot, result, whole, bound)

    def end(self) -> None:
        """The script is over: let the last sleeping fork go; a probe that gets here has failed."""
        if self.probing is not None:
            os._exit(1)
        if self.snapshot is not None:
            self.snapshot.end()
            self.snapshot = None

    def _couple(self, snapshot: Snapshot, result: Removal, whole: Tensor, bound: float) -> None:
        """Change each half of the batch, then both: where no example moves another, the changes add up."""
        if snapshot.size < 4:
            return
        for donor in (0, snapshot.size - 1):
            probes = [self._probe(snapshot, (kind, donor)) for kind in (FIRST_HALF, SECOND_HALF, ALL)]
            if any(p is None for p in probes):
                return
            first, second, both = (p[0] for p in probes if p is not None)
            result.reshaped |= len({tuple(p[2]) for p in probes if p is not None}) > 1
            gap = float((whole - first - second + both).norm()) / bound
            result.coupling = max(result.coupling or 0.0, gap)

    def _probe_all(self, snapshot: Snapshot, result: Removal, whole: Tensor, bound: float) -> None:
        result.size, result.problem = snapshot.size, ""
        if snapshot.size == 1:
            # Nothing is left of the batch: the value itself is the move.
            result.moves.append((0, float(whole.norm()) / bound))
            return
        if not result.replaced:
            result.moves = self._probe_each(snapshot, result, WITHOUT, whole, bound)
            if not result.moves or result.worst[1] <= 1 or (result.coupling or 0) > 0.1:
                return
        # Where a missing example shifts the random draws of the others, a replaced one does not.
        result.replacements = self._probe_each(snapshot, result, REPLACED, whole, bound)

    def _probe_each(
        self, snapshot: Snapshot, result: Removal, kind: int, whole: Tensor, bound: float
    ) -> list[tuple[int, float]]:
        deadline = time.monotonic() + BUDGET
        count = min(snapshot.size, MOST_EXAMPLES)
        moves = []
        for turn in range(count):
            index = turn * snapshot.size // count
            probe = self._probe(snapshot, (kind, index))
            if probe is None:
                result.problem = f"the loop fails when example {index} of the batch is left out"
                break
            moves.append((index, float((whole - probe[0]).norm()) / bound))
            if time.monotonic() > deadline:
                break
        return moves

    def _probe(self, snapshot: Snapshot, change: tuple[int, int]) -> tuple[Tensor, bool, list[int]] | None:
        out = self._path(change)
        out.unlink(missing_ok=True)
        if not snapshot.ask(change) or not out.exists():
            return None
        value, moved, shape = torch.load(out, weights_only=True)
        return value, bool(moved), shape

    def _take(self, size: int) -> Snapshot | None:
        """Fork; the parent gets the snapshot. A probe gets None, each time the snapshot forks one."""
        commands, to_snapshot = os.pipe()
        answers, to_parent = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        process = os.fork()
        if process:
            os.close(commands)
            os.close(to_parent)
            return Snapshot(process, to_snapshot, answers, size)
        follow_parent(parent, end_group)
        os.close(to_snapshot)
        os.close(answers)
        torch.set_num_threads(1)
        while True:
            asked = os.read(commands, 8)
            kind, index = struct.unpack("ii", asked) if len(asked) == 8 else (QUIT, 0)
            if kind == QUIT:
                os._exit(0)
            snapshot = os.getpid()
            probe = os.fork()
            if not probe:
                follow_parent(snapshot, end_group)
                self.probing = kind, index
                self.watch.on_done = _never_save
                return None
            os.waitpid(probe, 0)
            os.write(to_parent, b".")

    def _leave(self, value: Tensor, shape: list[int]) -> NoReturn:
        assert self.probing is not None
        out = self._path(self.probing)
        partial = out.with_suffix(".partial")
        torch.save((value, _random_state() != self.state, shape), partial)
        partial.replace(out)
        os._exit(0)

    def _path(self, change: tuple[int, int]) -> Path:
        return self.folder / "probe-{}-{}.pt".format(*change)

    def _all_done(self) -> bool:
        engines = self.watch.record.engines
        return bool(engines) and all(len(e.steps) >= self.steps for e in engines)


def changed(batch: list[Any], kind: int, index: int) -> list[Any]:
    """The indices of a batch, changed as a snapshot is asked to."""
    if kind == WITHOUT:
        return batch[:index] + batch[index + 1 :]
    if kind == REPLACED:
        return [*batch[:index], batch[(index + len(batch) // 2) % len(batch)], *batch[index + 1 :]]
    if kind in (FIRST_HALF, SECOND_HALF):
        # A physical batch has examples of both halves; pairs that one split keeps together the other parts.
        side = [place if index == 0 else place * (place + 1) // 2 for place in range(len(batch))]
        return [batch[index] if s % 2 == kind % 2 else own for s, own in zip(side, batch, strict=True)]
    return [batch[index]] * len(batch) if kind == ALL else batch


def _never_save(_record: Any) -> None:
    os._exit(1)


def _random_state() -> tuple[Any, ...]:
    numpy: Any = sys.modules.get("numpy")
    drawn = numpy.random.get_state()[1].tobytes() if numpy is not None else b""
    return torch.get_rng_state().numpy().tobytes(), random.getstate(), drawn


def _without_workers(original: Any, loader: Any, /, *args: Any, **kwargs: Any) -> None:
    """A DataLoader that fetches in this process: worker processes cannot be shared with a fork."""
    given = inspect.signature(original).bind(loader, *args, **kwargs).arguments
    if given.get("num_workers"):
        alone = {"num_workers": 0, "prefetch_factor": None, "timeout": 0, "multiprocessing_context": None}
        given.update(alone, persistent_workers=False)
    given.pop("self", None)
    original(loader, **given)


def _fetch_each_alike(original: Any, fetcher: Any, batch: Any, /) -> Any:
    """Fetch each example under random states of its own, so that augmentations do not depend on the rest."""
    if not fetcher.auto_collation or hasattr(fetcher.dataset, "__getitems__"):
        return original(fetcher, batch)
    numpy: Any = sys.modules.get("numpy")
    outer_numpy = numpy.random.get_state() if numpy is not None else None
    outer = random.getstate()
    examples = []
    with torch.random.fork_rng(devices=[]):
        for index in batch:
            seed = hash(int(index)) % 2**32 if isinstance(index, (int, Tensor)) else 0
            torch.manual_seed(seed)
            random.seed(seed)
            if numpy is not None:
                numpy.random.seed(seed)
            examples.append(fetcher.dataset[index])
    random.setstate(outer)
    if numpy is not None:
        numpy.random.set_state(outer_numpy)
    return fetcher.collate_fn(examples)
