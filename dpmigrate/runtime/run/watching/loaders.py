"""Watching data loaders: which of them delivers the batches that a private model is trained on."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import BatchSampler, RandomSampler, SequentialSampler

from dpmigrate.runtime.batches import tensors_in
from dpmigrate.runtime.run.places import user_place
from dpmigrate.runtime.run.watching import skips
from dpmigrate.runtime.run.watching.digest import tensor_digest
from dpmigrate.runtime.run.watching.generators import generator_kind, python_put_back, seed_python
from dpmigrate.runtime.run.watching.patching import family, wrap_method

if TYPE_CHECKING:
    from dpmigrate.runtime.run.watching.engines import LiveEngine
    from dpmigrate.runtime.run.watching.state import Watch

MARK = "_dpmigrate_feeds"
"""Attribute of a loader's iterator: the optimizers whose private loader it draws like."""


ENOUGH = 32
"""So many records that are drawn alike are no accident."""


class LoaderWatcher:
    """Stands around the iterators of data loaders, and around samplers that are iterated bare."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.fetching = 0

    def install(self) -> None:
        """Put the wrappers in place."""
        wrap_method(torch.utils.data.dataloader._BaseDataLoaderIter, "__next__", self._next)
        wrap_method(torch.utils.data.dataloader._BaseDataLoaderIter, "_next_index", self._drawn)
        if self.watch.settings.watch:
            from opacus.utils.uniform_sampler import UniformWithReplacementSampler

            for base in (BatchSampler, UniformWithReplacementSampler):
                for cls in family(base):
                    wrap_method(cls, "__iter__", self._bare)

    def _next(self, original: Any, iterator: Any, /) -> Any:
        self.fetching += 1
        try:
            batch = original(iterator)
        finally:
            self.fetching -= 1
        drawn_by = getattr(iterator, "_index_sampler", None)
        skips.delivered(self.watch, drawn_by)
        self.watch.feeding = weakref.ref(iterator)
        if self.watch.settings.watch:
            tensors = tensors_in(batch)
            sized = next((t for t in tensors if t.dim()), None)
            with suppress(TypeError):
                self._delivered(drawn_by, len(batch) if sized is None else len(sized), iterator, tensors)
        return batch

    def _drawn(self, original: Any, iterator: Any, /) -> Any:
        """Note which records a private loader draws first, whatever they hold."""
        indices = original(iterator)
        for engine in self.watch.engines.values():
            first = engine.record.first_drawn
            if len(first) < ENOUGH and _draws_with(iterator._index_sampler, engine.feed.sampler):
                first += [index for index in indices if isinstance(index, int)]
        return indices

    def _bare(self, original: Any, sampler: Any, /) -> Iterator[Any]:
        for indices in original(sampler):
            if not self.fetching:
                self._delivered(sampler, len(indices), sampler, [])
            yield indices

    def _delivered(self, drawn_by: Any, size: int, iterator: Any, tensors: list[torch.Tensor]) -> None:
        for engine in self.watch.engines.values():
            feed = engine.feed
            kinds = vars(iterator).setdefault(MARK, {})
            key = id(engine)
            if key not in kinds:
                kinds[key] = _poisson(drawn_by) or _draws_with(drawn_by, feed.sampler)
                if kinds[key] and engine.record.population is None:
                    engine.record.population = len(iterator._dataset)
                if not kinds[key]:
                    engine.record.other_place = engine.record.other_place or user_place()
            feed.delivered(kinds[key], size, tensors)


def made_private(engine: LiveEngine, given: Any, returned: Any) -> None:
    """Note the loader that ``make_private`` returned for the one that it was given."""
    record = engine.record
    engine.feed.sampler, engine.feed.data = _drawn_by(returned), getattr(returned, "dataset", None)
    record.loader, record.poisson = type(returned).__name__, _poisson(engine.feed.sampler)
    with suppress(TypeError, AttributeError):
        record.population = len(returned.dataset)
        if not record.poisson:
            record.share = len(returned.sampler)
            whole = record.share == record.population
            record.first_record = _first_record(returned.dataset) if whole else 0
    record.loader_generator = generator_kind(
        getattr(engine.feed.sampler, "generator", None) or getattr(returned, "generator", None)
    )
    if returned is given or given is None:
        return
    sampler, batches = getattr(given, "sampler", None), getattr(given, "batch_sampler", None)
    usual = (SequentialSampler, RandomSampler, torch.utils.data.distributed.DistributedSampler)
    if type(batches) is not BatchSampler and batches is not None and not _poisson(batches):
        record.dropped_sampler = type(batches).__name__
    elif (
        type(batches) is BatchSampler
        and not isinstance(sampler, usual)
        and not _draws_each_once(sampler, record.population)
    ):
        record.dropped_sampler = type(sampler).__name__


def _first_record(data: Any) -> int:
    """A checksum of what a data set holds first, the same wherever it is the same; 0 where that fails."""
    with suppress(Exception), torch.random.fork_rng(devices=[]), python_put_back():
        torch.manual_seed(0)
        seed_python(0)
        return tensor_digest(tensors_in(data[0]))
    return 0


def _draws_each_once(sampler: Any, population: int | None) -> bool:
    """Whether a sampler goes over all records, in an order of its own: nothing is lost with it."""
    try:
        if not population or len(sampler) != population:
            return False
        with torch.random.fork_rng(devices=[]), python_put_back():
            return {int(index) for index in sampler} == set(range(population))
    except Exception:
        return False


def _drawn_by(loader: Any) -> Any:
    return getattr(loader, "batch_sampler", None) or getattr(loader, "sampler", None) or loader


def _poisson(sampler: Any) -> bool:
    return any(cls.__name__.endswith("UniformWithReplacementSampler") for cls in type(sampler).__mro__)


def _draws_with(outer: Any, sampler: Any, depth: int = 3) -> bool:
    """Whether a sampler is ``sampler``, or holds it (as the memory manager's does)."""
    if sampler is None or outer is sampler:
        return outer is sampler and sampler is not None
    if not depth or not hasattr(outer, "__dict__"):
        return False
    return any(
        _draws_with(value, sampler, depth - 1)
        for name, value in list(vars(outer).items())
        if "sampler" in name or value is sampler
    )
