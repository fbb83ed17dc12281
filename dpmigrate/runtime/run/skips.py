"""Which logical batch a step's skip flag was made for, and which batch the step was made with.

The memory manager draws a logical batch, splits it, and leaves one flag a physical batch in the
optimizer's queue; each ``step()`` takes the oldest. A batch that never gets its step leaves its flag
behind, and from then on every step ends, or fails to end, the logical batch of another.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from dpmigrate.runtime.report_types import Check
from dpmigrate.runtime.run.engines import LiveEngine
from dpmigrate.runtime.run.patching import wrap
from dpmigrate.runtime.run.records import EngineRecord
from dpmigrate.runtime.run.state import Watch


class SkipWatcher:
    """Stands around the memory manager's sampler, its loader's iterator and the optimizer's signals."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch

    def install(self) -> None:
        """Put the wrappers in place; nothing where Opacus has no such sampler."""
        from opacus.utils import batch_memory_manager

        self.sampler: type[Any] | None = getattr(batch_memory_manager, "BatchSplittingSampler", None)
        if self.sampler is not None:
            wrap(self.sampler, "__iter__", self._drawn)
            wrap(torch.utils.data.dataloader._BaseDataLoaderIter, "__next__", self._delivered)

    def signalled(self, original: Any, optimizer: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Around ``signal_skip_step``: a flag whose batch is not known yet."""
        engine = self.watch.engines.get(id(optimizer))
        if engine is not None:
            engine.flags.append(None)
        return original(optimizer, *args, **kwargs)

    def _drawn(self, original: Any, sampler: Any, /) -> Iterator[Any]:
        engine = self.watch.engines.get(id(sampler.optimizer))
        if engine is not None:
            # What an earlier epoch has drawn and not delivered never will be.
            engine.delivered = len(engine.flags)
        for batch in original(sampler):
            if engine is not None and engine.flags:
                engine.flags[-1] = len(batch)
            yield batch

    def _delivered(self, original: Any, iterator: Any, /) -> Any:
        batch = original(iterator)
        sampler = getattr(iterator, "_index_sampler", None)
        if self.sampler is not None and isinstance(sampler, self.sampler):
            engine = self.watch.engines.get(id(sampler.optimizer))
            if engine is not None:
                engine.delivered += 1
        return batch


def taken(engine: LiveEngine) -> None:
    """A step takes the oldest flag: note where that of an empty batch goes to another one.

    Batches may be fetched ahead, and an empty one may be replaced by something of the script's own:
    only where the steps fall behind the batches at that very flag was the empty batch left out.
    """
    if engine.open is None or engine.taken >= len(engine.flags):
        return
    behind = engine.delivered - 1 - engine.taken
    examples = sum(b.count for b in engine.open.backwards)
    if engine.flags[engine.taken] == 0 and examples > 0 and behind > engine.behind:
        engine.record.left_out += 1
    if engine.record.left_out:
        engine.record.shifted += 1
    engine.behind = behind
    engine.taken += 1


RULE = "DPM302"


def skipped_check(engine: EngineRecord, index: int) -> list[Check]:
    """``parity-clipped-sum`` for the boundaries of the logical batches, where they have shifted."""
    if not engine.left_out:
        return []
    detail = (
        "empty-batch-skipped: the script made no step for an empty batch under the memory manager, and the "
        "next batch took its place in the skip queue: since then logical batches have begun and ended in the "
        f"wrong places ({engine.shifted} calls of step())"
    )
    return [Check("parity-clipped-sum", False, float(engine.shifted), 0.0, RULE, index, detail)]
