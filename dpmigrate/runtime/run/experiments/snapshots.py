"""Running a step of the script again: forks at every logical batch that sleep until they are asked.

At every logical batch that a sampler yields, the process forks a snapshot of itself that sleeps. When
the value of a logical step is about to receive its noise, the snapshot is asked to run on from there,
each time in a fork of its own, with a batch that is changed: the user's loop, model, criterion, memory
manager and random state all as they were. No input needs to be understood.
"""

from __future__ import annotations

import gc
import inspect
import math
import os
import random
import select
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import torch
from torch import Tensor

from dpmigrate.runtime.batches import tensors_in
from dpmigrate.runtime.model_copy import NoDropout
from dpmigrate.runtime.run.experiments.held import HeldDraws
from dpmigrate.runtime.run.processes.lifeline import end_group, follow_parent
from dpmigrate.runtime.run.watching.generators import python_put_back, random_digest, seed_python
from dpmigrate.runtime.run.watching.patching import family, wrap_method
from dpmigrate.runtime.run.watching.state import Watch

PATIENCE = 60.0
"""Seconds that one probe may take."""


class Kind:
    """What a snapshot is asked to run on with: the batch as it is; without an example; with another in its
    place; with the examples of one half, or all, replaced by copies of the example that is named; without
    any of the data's example that is named, or with it at the end of the batch; with another in its place
    (none for -1), and on after the step, which is given the noisy value of the batch as it is; ``FEWER``:
    without every third example, another third, and both; ``TURNED``: the first of them at the end;
    ``TAUGHT``: as it is, after other models that were trained on the data have changed."""

    WHOLE, WITHOUT, REPLACED, FIRST_HALF, SECOND_HALF, ALL, ABSENT, PRESENT, WRITTEN, QUIT, TURNED = range(11)
    HALVES = (FIRST_HALF, SECOND_HALF, ALL)
    FEWER = (11, 12, 13)
    TAUGHT = 14


_FORM = "iqdi"


class BatchChange(NamedTuple):
    """How a batch is changed: one of the kinds above, for an example (its place in the batch; in the data
    for ABSENT and PRESENT), its floats multiplied by ``factor`` where that is finite. ``draws``: a number for
    each run that is to draw noise, 0 for one that ends before."""

    kind: int
    example: int = 0
    factor: float = 1.0
    draws: int = 0


class Probed(NamedTuple):
    """What a probe found.

    ``value``: what was to receive the noise. ``drew``: the loop drew random numbers. ``shape``: of an input
    of the model. ``held``: where the generators stood whose draws are not held, -1 where none could be.
    """

    value: Tensor
    drew: bool
    shape: list[int]
    held: int = 0


@dataclass
class Snapshot:
    """A sleeping fork: its process, the pipe that commands it, the one that it answers on, its batch."""

    process: int
    commands: int
    answers: int
    batch: list[Any]

    @property
    def size(self) -> int:
        """How many examples its batch has."""
        return len(self.batch)

    def ask(self, change: BatchChange) -> bool:
        """Send a change and wait for its end; False when it takes longer than PATIENCE."""
        os.write(self.commands, struct.pack(_FORM, *change))
        ready, _, _ = select.select([self.answers], [], [], PATIENCE)
        return bool(ready and os.read(self.answers, 1))

    def end(self) -> None:
        """Let the process go."""
        with suppress(BrokenPipeError):
            os.write(self.commands, struct.pack(_FORM, *BatchChange(Kind.QUIT)))
        os.close(self.commands)
        os.close(self.answers)
        os.waitpid(self.process, 0)


class Prober:
    """Takes snapshots and runs probes in one process; a probe is this object in a fork.

    A subclass watches the value that is about to receive its noise: it ends a probe there, or runs the
    probes of this step, one of the first ``steps`` logical ones.
    """

    def __init__(self, watch: Watch, steps: int, folder: Path) -> None:
        self.watch = watch
        self.steps = steps
        self.folder = folder
        self.snapshot: Snapshot | None = None
        self.empty = False
        self.probing: BatchChange | None = None
        self.state = 0
        self.draws = HeldDraws()
        self.canary: tuple[int, int, list[Tensor]] | None = None

    def install(self) -> None:
        """Watch the samplers; make what is random about an example depend on that example alone."""
        from opacus.utils import uniform_sampler

        torch.set_num_threads(1)
        for base in (
            torch.utils.data.BatchSampler,
            uniform_sampler.UniformWithReplacementSampler,
            uniform_sampler.DistributedUniformWithReplacementSampler,
        ):
            for cls in family(base):
                wrap_method(cls, "__iter__", self._batches)
        wrap_method(torch.utils.data.DataLoader, "__init__", _without_workers)
        wrap_method(torch.utils.data._utils.fetch._MapDatasetFetcher, "fetch", self._fetch)
        # Masks would change for every example when one is missing.
        NoDropout().__enter__()  # type: ignore[no-untyped-call]
        self.watch.at_end = self.end

    def _batches(self, original: Any, sampler: Any, /) -> Iterator[Any]:
        for batch in original(sampler):
            yield self.offer(batch)

    def offer(self, batch: Any) -> Any:
        """The batch that a sampler yields; in a probe, without the example that is to be left out."""
        if self.probing is not None:
            # Nothing was drawn between the batch and its step: with the changed one the loop made none.
            os._exit(1)
        if self._all_done():
            return batch
        self.empty = len(batch) == 0
        if self.empty:
            return batch
        if self.snapshot is not None:
            self.snapshot.end()
            for left in self.folder.glob(f"probe-{self.snapshot.process}-*"):
                left.unlink()
        self.snapshot = self._take(list(batch))
        if self.snapshot is not None:
            return batch
        assert self.probing is not None
        if self.probing.kind in (Kind.ABSENT, Kind.PRESENT):
            self.hold()
        self.state = random_digest()
        return changed_batch(list(batch), self.probing.kind, self.probing.example)

    def hold(self) -> None:
        """In a probe that adds or leaves out an example: hold what is drawn for the others."""
        self.draws.__enter__()  # type: ignore[no-untyped-call]

    def go_on(self) -> None:
        """The loop ends in a probe that did not end at its step."""

    def end(self) -> None:
        """The script is over: let the last sleeping fork go; a probe that gets here has failed."""
        if self.probing is not None:
            if self.watch.record.outcome == "ended":
                self.go_on()
            os._exit(1)
        if self.snapshot is not None:
            self.snapshot.end()
            self.snapshot = None

    def probe(self, snapshot: Snapshot, change: BatchChange) -> Probed | None:
        """What a changed batch makes of the loop, asked once for each change; None where the loop fails."""
        out = self._path(snapshot.process, change)
        if not out.exists() and not (snapshot.ask(change) and out.exists()):
            return None
        return Probed(*torch.load(out, weights_only=True))

    def whole(
        self, snapshot: Snapshot | None, value: Tensor, bound: float
    ) -> tuple[Tensor, bool, Snapshot] | str:
        """The value of the batch as it is, run again, and whether the loop drew random numbers; a
        sentence where it cannot be had, or is not ``value``."""
        if snapshot is None:
            said = "its batches do not come from a torch DataLoader"
            return "the batch of that step is empty" if self.empty else said
        base = self.probe(snapshot, BatchChange(Kind.WHOLE))
        if base is None:
            return "the loop could not be run again from where its batch was drawn"
        if not bool((base.value - value).norm() <= 1e-3 * base.value.norm() + 1e-9 * bound):
            return "the loop does something else when it is run again on the same batch"
        return base.value, base.drew, snapshot

    def _take(self, batch: list[Any]) -> Snapshot | None:
        """Fork; the parent gets the snapshot. A probe gets None, each time the snapshot forks one."""
        commands, to_snapshot = os.pipe()
        answers, to_parent = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        # Python gives each fork a seed of its own.
        parent, drawn = os.getpid(), random.getstate()
        process = os.fork()
        if process:
            os.close(commands)
            os.close(to_parent)
            return Snapshot(process, to_snapshot, answers, batch)
        follow_parent(parent, end_group)
        os.close(to_snapshot)
        os.close(answers)
        torch.set_num_threads(1)
        # A probe lives for one step: it needs no collection, which would copy what it looks at.
        gc.freeze()
        gc.disable()
        while True:
            asked = os.read(commands, struct.calcsize(_FORM))
            whole = len(asked) == struct.calcsize(_FORM)
            change = BatchChange(*struct.unpack(_FORM, asked)) if whole else BatchChange(Kind.QUIT)
            if change.kind == Kind.QUIT:
                os._exit(0)
            snapshot = os.getpid()
            probe = os.fork()
            if not probe:
                follow_parent(snapshot, end_group)
                self.probing = change
                random.setstate(drawn)
                _say_nothing_to_others()
                self.watch.on_done = _never_save
                return None
            os.waitpid(probe, 0)
            os.write(to_parent, b".")

    def leave(self, value: Tensor, shape: list[int]) -> NoReturn:
        """End this probe, leaving the value."""
        assert self.probing is not None
        out = self._path(os.getppid(), self.probing)
        partial = out.with_suffix(".partial")
        held = -1 if self.draws.permuted else random_digest()
        torch.save((value, random_digest() != self.state, shape, held), partial)
        partial.replace(out)
        os._exit(0)

    def _path(self, snapshot: int, change: BatchChange) -> Path:
        return self.folder / "probe-{}-{}-{}-{}-{}.pt".format(snapshot, *change)

    def _all_done(self) -> bool:
        if os.environ.get("RANK", "0") != "0":
            # Of several processes the first one, which adds the noise, is run again.
            return True
        engines = self.watch.record.engines
        return bool(engines) and all(len(e.steps) >= self.steps for e in engines)

    def _fetch(self, original: Any, fetcher: Any, batch: Any, /) -> Any:
        """Fetch each example under random states of its own, so that augmentations do not depend on the
        rest; in a probe, with the floats of one example multiplied."""
        if not fetcher.auto_collation:
            return original(fetcher, batch)
        change = self.probing
        self.draws.batch = len(batch)
        scaled = change is not None and change.kind == Kind.PRESENT and change.factor != 1
        if hasattr(fetcher.dataset, "__getitems__"):
            if not scaled:
                return original(fetcher, batch)
            examples = list(fetcher.dataset.__getitems__(batch))
        else:
            examples = _each_alike(fetcher.dataset, batch)
        if scaled and change is not None:
            self.canary = None
            for place in (place for place, index in enumerate(batch) if number(index) == change.example):
                self.canary = (place, len(batch), tensors_in(examples[place]))
                if math.isfinite(change.factor):
                    examples[place] = multiplied(examples[place], change.factor)
        return fetcher.collate_fn(examples)


def changed_batch(batch: list[Any], kind: int, index: int) -> list[Any]:
    """The indices of a batch, changed as a snapshot is asked to."""
    if kind == Kind.WRITTEN:
        kind = Kind.WHOLE if index < 0 else Kind.REPLACED
    if kind == Kind.WITHOUT:
        return batch[:index] + batch[index + 1 :]
    if kind == Kind.REPLACED:
        return [*batch[:index], batch[(index + len(batch) // 2) % len(batch)], *batch[index + 1 :]]
    if kind == Kind.TURNED:
        return batch[1:] + batch[:1]
    if kind in Kind.FEWER:
        left = {place % 3 for place in range(3)} - (
            {0, 1} if kind == Kind.FEWER[2] else {Kind.FEWER.index(kind)}
        )
        return [here for place, here in enumerate(batch) if place % 3 in left]
    if kind in (Kind.FIRST_HALF, Kind.SECOND_HALF):
        # A physical batch has examples of both halves; pairs that one split keeps together the other parts.
        side = [place if index == 0 else place * (place + 1) // 2 for place in range(len(batch))]
        return [batch[index] if s % 2 == kind % 2 else here for s, here in zip(side, batch, strict=True)]
    if kind in (Kind.ABSENT, Kind.PRESENT):
        return [here for here in batch if number(here) != index] + [index] * (kind == Kind.PRESENT)
    return [batch[index]] * len(batch) if kind == Kind.ALL else batch


def number(index: Any) -> int | None:
    """An index of a data set as an int; None for what is none (a key, a pair)."""
    whole = isinstance(index, int) or (isinstance(index, Tensor) and index.numel() == 1)
    return int(index) if whole or type(index).__module__ == "numpy" else None


def multiplied(example: Any, factor: float) -> Any:
    """An example with every float array in it multiplied; labels, tokens and text as they are."""
    if isinstance(example, Tensor):
        return example * factor if example.is_floating_point() else example
    if isinstance(example, dict):
        return {key: multiplied(value, factor) for key, value in example.items()}
    if type(example) in (list, tuple):
        return type(example)(multiplied(value, factor) for value in example)
    if getattr(getattr(example, "dtype", None), "kind", "") == "f":
        return (example * factor).astype(example.dtype)
    return example


def _say_nothing_to_others() -> None:
    """Let this probe fail where the loop talks to other processes: they wait for its parent alone."""
    distributed = torch.distributed
    if distributed.is_available() and distributed.is_initialized():
        for name in ("all_gather", "all_gather_object", "all_reduce", "barrier", "broadcast", "reduce"):
            setattr(distributed, name, lambda *_, **__: os._exit(1))


def _never_save(_record: Any) -> None:
    os._exit(1)


def _without_workers(original: Any, loader: Any, /, *args: Any, **kwargs: Any) -> None:
    """A DataLoader that fetches in this process: worker processes cannot be shared with a fork."""
    given = inspect.signature(original).bind(loader, *args, **kwargs).arguments
    if given.get("num_workers"):
        alone = {"num_workers": 0, "prefetch_factor": None, "timeout": 0, "multiprocessing_context": None}
        given.update(alone, persistent_workers=False)
    given.pop("self", None)
    original(loader, **given)


def _each_alike(dataset: Any, batch: Any) -> list[Any]:
    examples = []
    with torch.random.fork_rng(devices=[]), python_put_back():
        for index in batch:
            seed = hash(int(index)) % 2**32 if isinstance(index, (int, Tensor)) else 0
            # torch.manual_seed() writes down where it was called for each kind of device that is missing.
            torch.default_generator.manual_seed(seed)
            seed_python(seed)
            examples.append(dataset[index])
    return examples
