"""Sensitivity through the script's own loop: leave one example out and see what receives the noise.

At every logical batch that a sampler yields, the process forks a snapshot of itself that sleeps. When
the value of the chosen logical step is about to receive its noise, the snapshot is asked to run on
from there, each time in a fork of its own, with one example missing: the user's loop, model,
criterion, memory manager and random state all as they were. No input needs to be understood.
"""

from __future__ import annotations

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

WHOLE, QUIT = -1, -2
"""Commands to a snapshot other than the index of the example to leave out."""

DROPOUTS = (
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "alpha_dropout",
    "feature_alpha_dropout",
)


@dataclass
class Removal:
    """What leaving examples out did to one engine: ``moves`` holds (index, distance in units of C)."""

    engine: int
    size: int
    moves: list[tuple[int, float]] = field(default_factory=list)
    random_moved: bool = False
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

    def ask(self, command: int) -> bool:
        """Send a command and wait for its end; False when it takes longer than PATIENCE."""
        os.write(self.commands, struct.pack("i", command))
        ready, _, _ = select.select([self.answers], [], [], PATIENCE)
        return bool(ready and os.read(self.answers, 1))

    def end(self) -> None:
        """Let the process go."""
        with suppress(BrokenPipeError):
            os.write(self.commands, struct.pack("i", QUIT))
        os.close(self.commands)
        os.close(self.answers)
        os.waitpid(self.process, 0)


class Remover:
    """Takes snapshots and runs probes in one process; a probe is this object in a fork."""

    def __init__(self, watch: Watch, step: int, folder: Path) -> None:
        self.watch = watch
        self.step = step
        self.folder = folder
        self.snapshot: Snapshot | None = None
        self.empty = False
        self.probing: int | None = None
        self.state: Any = None
        self.done: set[int] = set()
        self.found: list[Removal] = []

    def install(self) -> None:
        """Watch the samplers; make what is random about an example depend on that example alone."""
        from opacus.utils import uniform_sampler

        torch.set_num_threads(1)
        for base in (torch.utils.data.BatchSampler, uniform_sampler.UniformWithReplacementSampler):
            for cls in family(base):
                wrap(cls, "__iter__", self._batches)
        wrap(torch.utils.data.DataLoader, "__init__", _without_workers)
        wrap(torch.utils.data._utils.fetch._MapDatasetFetcher, "fetch", _fetch_each_alike)
        for name in DROPOUTS:
            setattr(torch.nn.functional, name, _keep_all)
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
        if self.probing == WHOLE:
            return batch
        return [index for place, index in enumerate(batch) if place != self.probing]

    def before_value(self, engine: LiveEngine, value: Tensor) -> None:
        """The value is about to receive its noise: end a probe, or run all probes of this engine."""
        place = self.watch.record.engines.index(engine.record)
        if self.probing is not None:
            self._leave(value)
        if place in self.done or len(engine.record.steps) != self.step - 1:
            return
        self.done.add(place)
        norm = engine.optimizer.max_grad_norm
        bound = (
            float(norm) if not isinstance(norm, (list, tuple)) else sum(float(c) ** 2 for c in norm) ** 0.5
        )
        if self.snapshot is None:
            problem = (
                "the batch of that step is empty"
                if self.empty
                else "its batches do not come from a torch DataLoader"
            )
            self.found.append(Removal(place, 0, problem=problem))
            return
        self.found.append(self._probe_all(place, self.snapshot, bound))

    def end(self) -> None:
        """The script is over: let the last sleeping fork go; a probe that gets here has failed."""
        if self.probing is not None:
            os._exit(1)
        if self.snapshot is not None:
            self.snapshot.end()
            self.snapshot = None

    def _probe_all(self, place: int, snapshot: Snapshot, bound: float) -> Removal:
        result = Removal(place, snapshot.size)
        deadline = time.monotonic() + BUDGET
        base = self._probe(snapshot, WHOLE)
        if base is None:
            result.problem = "the loop could not be run again from where its batch was drawn"
            return result
        whole, result.random_moved = base
        if snapshot.size == 1:
            # Nothing is left of the batch: the value itself is the move.
            result.moves.append((0, float(whole.norm()) / bound))
            return result
        count = min(snapshot.size, MOST_EXAMPLES)
        for turn in range(count):
            index = turn * snapshot.size // count
            probe = self._probe(snapshot, index)
            if probe is None:
                result.problem = f"the loop fails when example {index} of the batch is left out"
                break
            result.moves.append((index, float((whole - probe[0]).norm()) / bound))
            if time.monotonic() > deadline:
                break
        return result

    def _probe(self, snapshot: Snapshot, index: int) -> tuple[Tensor, bool] | None:
        out = self._path(index)
        out.unlink(missing_ok=True)
        if not snapshot.ask(index) or not out.exists():
            return None
        value, moved = torch.load(out, weights_only=True)
        return value, bool(moved)

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
            asked = os.read(commands, 4)
            command = struct.unpack("i", asked)[0] if len(asked) == 4 else QUIT
            if command == QUIT:
                os._exit(0)
            snapshot = os.getpid()
            probe = os.fork()
            if not probe:
                follow_parent(snapshot, end_group)
                self.probing = command
                self.watch.on_done = _never_save
                return None
            os.waitpid(probe, 0)
            os.write(to_parent, b".")

    def _leave(self, value: Tensor) -> NoReturn:
        assert self.probing is not None
        out = self._path(self.probing)
        partial = out.with_suffix(".partial")
        torch.save((value, _random_state() != self.state), partial)
        partial.replace(out)
        os._exit(0)

    def _path(self, index: int) -> Path:
        return self.folder / f"probe-{index}.pt"

    def _all_done(self) -> bool:
        begun = len(self.watch.record.engines)
        return begun > 0 and len(self.done) >= begun


def _never_save(_record: Any) -> None:
    os._exit(1)


def _random_state() -> tuple[Any, ...]:
    numpy: Any = sys.modules.get("numpy")
    drawn = numpy.random.get_state()[1].tobytes() if numpy is not None else b""
    return torch.get_rng_state().numpy().tobytes(), random.getstate(), drawn


def _keep_all(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Dropout that drops nothing: its masks would change for every example when one is missing."""
    return input


def _without_workers(original: Any, loader: Any, /, *args: Any, **kwargs: Any) -> None:
    """A DataLoader that fetches in this process: worker processes cannot be shared with a fork."""
    original(loader, *args, **kwargs)
    if loader.num_workers:
        loader.num_workers, loader.prefetch_factor, loader.timeout = 0, None, 0
        loader.multiprocessing_context = None


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
