"""What accountants are told, and by which private step."""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from dpmigrate.runtime.run.private import write_whole
from dpmigrate.runtime.run.watching.patching import family, wrap_method

if TYPE_CHECKING:
    from dpmigrate.runtime.run.watching.engines import LiveEngine
    from dpmigrate.runtime.run.watching.state import Watch


class AccountantWatcher:
    """Stands around every accountant's ``__init__`` and ``step``, and the search for a noise multiplier."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.heard: dict[int, int] = {}

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
            self.watch.record.accountants.append(_mechanism(accountant))

    def _told(self, original: Any, accountant: Any, /, *args: Any, **kwargs: Any) -> Any:
        result = original(accountant, *args, **kwargs)
        place = next((i for i, a in enumerate(self.watch.accountants) if a is accountant), -1)
        multiplier, rate = float(kwargs.get("noise_multiplier", 0)), float(kwargs.get("sample_rate", 0))
        engine = self._stepping()
        if engine is None:
            return result
        if engine.record.releases:
            engine.record.releases[-1].accounted.append((place, multiplier, rate))
        else:
            engine.told.append((place, multiplier, rate))
        self.heard[place] = self.heard.get(place, 0) + 1
        held = steps_of(accountant)
        if held and held < self.heard[place]:
            engine.record.forgotten = max(engine.record.forgotten, self.heard[place] - held)
        return result

    def _asked(self, original: Any, accountant: Any, /, *args: Any, **kwargs: Any) -> Any:
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


def _mechanism(accountant: Any) -> str:
    name = getattr(type(accountant), "mechanism", None)
    return str(name()) if callable(name) else "prv"


def steps_of(accountant: Any) -> int:
    """How many steps an accountant holds; 0 where it does not say."""
    history = getattr(accountant, "history", None)
    if isinstance(history, list) and all(isinstance(h, tuple) and len(h) == 3 for h in history):
        return int(sum(h[2] for h in history))
    return 0


def goes_on(watch: Watch, engine: LiveEngine) -> None:
    """Note where the weights of this run, before its first step, are those of an earlier run.

    Nothing is noted where its accountant still holds their steps.
    """
    weights = engine.some_weights()
    earlier = [
        (place, e, e.first_weights, e.weights)
        for place, e in enumerate(watch.engines.values())
        if e is not engine and e.record.releases and e.first_weights is not None and e.weights is not None
    ]
    earlier = [run for run in earlier if run[3].shape == weights.shape][-16:]
    if not earlier or weights.numel() < 8 * len(earlier):
        return
    places, runs, begun, ended = zip(*earlier, strict=True)
    used = _made_of(weights, torch.stack(begun, dim=1), torch.stack(ended, dim=1))
    held = max((steps_of(a) for a in watch.accountants if a is engine.accountant), default=-1)
    if used is not None and held < len(runs[used].record.releases):
        engine.record.resumed = (places[used], "DPM310" if watch.loaded > runs[used].loaded else "DPM304")


def _made_of(weights: Tensor, begun: Tensor, ended: Tensor) -> int | None:
    """The last of the runs, a column each of first and last weights, that these weights go on from.

    They do where they lie nearer to a mix of last and first weights than those runs have moved: an average
    over clients is one, of which a server may go a part, or further by its momentum.
    """
    # Where others have begun at these very weights, that says nothing of where they come from.
    others = begun[:, (begun != weights.unsqueeze(1)).any(dim=0)]
    moves, basis = ended - begun, torch.cat([ended, others], dim=1)
    mix = torch.linalg.lstsq(basis, weights.unsqueeze(1), driver="gelsd").solution
    used = [run for run, share in enumerate(mix.flatten().tolist()[: moves.shape[1]]) if abs(share) > 0.01]
    moved = float(moves[:, used].norm(dim=0).min()) if used else 0.0
    near = float((basis @ mix - weights.unsqueeze(1)).norm()) <= 0.02 * moved
    return used[-1] if moved and near else None
