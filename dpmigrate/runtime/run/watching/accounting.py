"""What accountants are told, and by which private step."""

from __future__ import annotations

import math
import zlib
from collections import Counter
from typing import TYPE_CHECKING, Any

import torch

from dpmigrate.runtime.run.watching.digest import tensor_digest
from dpmigrate.runtime.run.watching.patching import family, wrap_method
from dpmigrate.workspace.private import write_whole

if TYPE_CHECKING:
    from dpmigrate.runtime.run.watching.engines import LiveEngine
    from dpmigrate.runtime.run.watching.state import Watch


class AccountantWatcher:
    """Stands around every accountant's ``__init__`` and ``step``, and the search for a noise multiplier."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch

    def install(self) -> None:
        """Put the wrappers in place."""
        import opacus.privacy_engine
        from opacus.accountants.accountant import IAccountant

        wrap_method(opacus.privacy_engine, "get_noise_multiplier", self.multiplier)
        for cls in family(IAccountant):
            wrap_method(cls, "__init__", self._created)
            wrap_method(cls, "step", self._told)
            wrap_method(cls, "get_epsilon", self._asked)

    def multiplier(self, original: Any, /, *args: Any, **kwargs: Any) -> float:
        """The noise multiplier for an epsilon: it takes seconds to find, and is the same in each run."""
        if self.watch.folder is None:
            return float(original(*args, **kwargs))
        key = zlib.crc32(repr((args, sorted(kwargs.items()))).encode())
        path = self.watch.folder / f"multiplier-{key:08x}"
        if not path.exists():
            write_whole(path, repr(float(original(*args, **kwargs))))
        return float(path.read_text(encoding="utf-8"))

    def _created(self, original: Any, accountant: Any, /, *args: Any, **kwargs: Any) -> None:
        original(accountant, *args, **kwargs)
        if not any(accountant is a for a in self.watch.accountants):
            self.watch.accountants.append(accountant)
            mechanism = getattr(type(accountant), "mechanism", None)
            self.watch.record.accountants.append(str(mechanism()) if callable(mechanism) else "prv")

    def _told(self, original: Any, accountant: Any, /, *args: Any, **kwargs: Any) -> Any:
        result = original(accountant, *args, **kwargs)
        place = self._place(accountant)
        multiplier, rate = float(kwargs.get("noise_multiplier", 0)), float(kwargs.get("sample_rate", 0))
        engine = self._stepping()
        if engine is None:
            return result
        if engine.record.releases:
            engine.record.releases[-1].accounted.append((place, multiplier, rate))
        else:
            engine.told.append((place, multiplier, rate))
        engine.counted[place, multiplier, rate] += 1
        self._look_back(accountant, place)
        return result

    def _look_back(self, accountant: Any, place: int) -> None:
        """Note how many steps of the run that made the last one an accountant no longer holds as told."""
        engine, held = self._stepping(), held_by(accountant)
        if engine is not None and held is not None:
            counted = [(step[1:], n) for step, n in engine.counted.items() if step[0] == place]
            lost = sum(max(0, n - held[told]) for told, n in counted)
            engine.record.forgotten = max(engine.record.forgotten, lost)

    def _place(self, accountant: Any) -> int:
        return next((i for i, a in enumerate(self.watch.accountants) if a is accountant), -1)

    def _asked(self, original: Any, accountant: Any, /, *args: Any, **kwargs: Any) -> Any:
        self._look_back(accountant, self._place(accountant))
        epsilon = original(accountant, *args, **kwargs)
        delta = kwargs.get("delta", args[0] if args else None)
        said = [float(v) for v in (epsilon, delta) if isinstance(v, (int, float)) and math.isfinite(v)]
        for engine in self.watch.engines.values():
            if engine.accountant is accountant and len(said) == 2:
                engine.record.epsilon = (said[0], said[1])
        return epsilon

    def _stepping(self) -> LiveEngine | None:
        """The run whose step is under way, else the one that stepped last, else the newest."""
        engines = list(self.watch.engines.values())
        inside = [e for e in engines if e.depth or e.current is not None]
        begun = sorted((e for e in engines if e.record.releases), key=lambda e: e.started)
        candidates = inside or begun or engines
        return candidates[-1] if candidates else None


def held_by(accountant: Any) -> Counter[tuple[float, float]] | None:
    """How many steps an accountant holds, by noise multiplier and sampling rate; None if it does not say."""
    history, held = getattr(accountant, "history", None), Counter[tuple[float, float]]()
    if not isinstance(history, list) or not all(isinstance(h, tuple) and len(h) == 3 for h in history):
        return None
    for multiplier, rate, steps in history:
        held[multiplier, rate] += steps
    return held


def goes_on(watch: Watch, engine: LiveEngine) -> None:
    """Before the first step: note the last run of such weights whose steps this accountant does not hold.

    Its weights go on in this one where they are the same; where something was made of them, by a server's
    average or an optimizer of its own, another run of the script tells.
    """
    record, weights = engine.record, engine.some_weights()
    record.begun = tensor_digest([weights])
    own = held_by(engine.accountant)
    held = -1 if own is None else own.total()
    for place, earlier in enumerate(watch.engines.values()):
        ended = earlier.weights
        if earlier is engine or ended is None or ended.shape != weights.shape:
            continue
        if held < len(earlier.record.releases):
            record.unheard = (place, "DPM310" if watch.loaded > earlier.loaded else "DPM304")
            if torch.equal(ended, weights) and earlier.record.begun != record.begun:
                record.resumed = record.unheard
