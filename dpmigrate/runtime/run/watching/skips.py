"""Which logical batch a step's skip flag was made for, and which batch the step was made with.

The memory manager draws a logical batch, splits it, and leaves one flag a physical batch in the
optimizer's queue; each ``step()`` takes the oldest. A batch that never gets its step leaves its flag
behind, and from then on every step ends, or fails to end, the logical batch of another.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dpmigrate.runtime.run.watching.engines import LiveEngine
from dpmigrate.runtime.run.watching.patching import wrap_method
from dpmigrate.runtime.run.watching.state import Watch


class SkipWatcher:
    """Stands around the memory manager's sampler and the optimizer's signals."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch

    def install(self) -> None:
        """Put the wrappers in place; nothing where Opacus has no such sampler."""
        from opacus.utils import batch_memory_manager

        sampler: type[Any] | None = getattr(batch_memory_manager, "BatchSplittingSampler", None)
        if sampler is not None:
            wrap_method(sampler, "__iter__", self._drawn)

    def signalled(self, original: Any, optimizer: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Around ``signal_skip_step``: a flag whose batch is not known yet."""
        engine = self.watch.engines.get(id(optimizer))
        if engine is not None:
            engine.flags.append(None)
        return original(optimizer, *args, **kwargs)

    def _drawn(self, original: Any, sampler: Any, /) -> Iterator[Any]:
        engine = self.watch.engines.get(id(sampler.optimizer))
        if engine is not None:
            # What an earlier epoch has drawn and not delivered never will be; its flags and sums stay.
            engine.delivered, engine.ahead, engine.waited = len(engine.flags), None, 0
            _left_out(engine, len(engine.flags) - engine.taken + len(engine.physical))
        for batch in original(sampler):
            if engine is not None and engine.flags:
                engine.flags[-1] = len(batch)
            yield batch
        if engine is not None and (left := engine.delivered - engine.taken - (engine.ahead or 0)) > 0:
            engine.record.shifted += engine.waited
            _left_out(engine, left)


def delivered(watch: Watch, sampler: Any) -> None:
    """A batch that this sampler drew has reached the script."""
    engine = watch.engines.get(id(getattr(sampler, "optimizer", None)))
    if engine is not None and hasattr(sampler, "max_batch_size"):
        engine.delivered += 1


def _left_out(engine: LiveEngine, count: int) -> None:
    engine.record.left_out = max(engine.record.left_out, count)


def taken(engine: LiveEngine) -> None:
    """A step takes the oldest flag: note where that of an empty batch goes to another one.

    Batches may be fetched ahead, and an empty one may be replaced by something of the script's own:
    only where the steps fall behind the batches at that very flag was the empty batch left out. One that
    is not empty is missed at the end of an epoch, where no more are behind than at its first step otherwise.
    """
    if engine.open is None or engine.taken >= len(engine.flags):
        return
    behind = engine.delivered - 1 - engine.taken
    if engine.flags[engine.taken] == 0 and engine.called > 0 and behind > engine.behind:
        engine.record.left_out += 1
    if engine.ahead is None:
        engine.ahead = behind
    if engine.record.left_out:
        engine.record.shifted += 1
    elif behind > engine.ahead:
        engine.waited += 1
    engine.behind, engine.called = behind, 0
    engine.taken += 1
