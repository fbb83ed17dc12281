"""Running a script in a clipping mode that it was not written for.

A script written for ghost clipping expects four results of ``make_private`` and runs under hooks
with the criterion as it gave it; a script written for hooks runs under ghost clipping with the two
backward passes made for it. The script cannot tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from dpmigrate.runtime.features import wraps_criterion
from dpmigrate.runtime.run.places import CodePlace, place_of_frame, user_frame
from dpmigrate.runtime.run.watching import loaders, warm_up
from dpmigrate.runtime.run.watching.engines import LiveEngine
from dpmigrate.runtime.run.watching.losses import Used, weighted
from dpmigrate.runtime.run.watching.patching import family, wrap_method

if TYPE_CHECKING:
    from dpmigrate.runtime.run.watching.state import Watch


SWAPPED = "swapped"
"""The mode of an engine whose script is written for hooks and which clips as ghost mode does."""


@dataclass
class RunningCall:
    """The ``make_private*`` call that is running."""

    place: CodePlace
    mode: str
    adaptive: bool


_CALLS: list[RunningCall] = []


def current_call() -> RunningCall | None:
    """The ``make_private*`` call that user code is in, if any."""
    return _CALLS[-1] if _CALLS else None


def install_swap(watch: Watch) -> None:
    """Watch ``make_private*`` of every engine class; give the mode that the watch's settings ask for."""
    from opacus import PrivacyEngine

    ghost_needs_clipping = not wraps_criterion()

    def make_private(original: Any, engine: Any, /, *args: Any, **kwargs: Any) -> Any:
        if not kwargs.get("grad_sample_mode"):
            kwargs["grad_sample_mode"] = "hooks"
        asked = kwargs["grad_sample_mode"]
        adaptive = "Adaptive" in type(engine).__name__ or kwargs.get("clipping") == "adaptive"
        wanted = watch.settings.mode
        bound = watch.settings.bounds.get(len(watch.record.engines))
        if bound is not None and "max_grad_norm" in kwargs:
            # The project's own optimizer may keep a copy of it.
            kwargs["max_grad_norm"] = bound
        watch.follow(kwargs.get("module"))
        made = len(watch.engines)
        with _call(asked, adaptive):
            if wanted is None or wanted == asked or adaptive:
                results = original(engine, *args, **kwargs)
            elif "ghost" in asked:
                results = _ghost_script(original, engine, wanted, args, kwargs)
            else:
                results = _hooks_script(original, engine, wanted, args, kwargs, ghost_needs_clipping)
        if len(watch.engines) > made:
            live = list(watch.engines.values())[-1]
            live.accountant = getattr(engine, "accountant", None)
            live.record.asked_multiplier = kwargs.get("noise_multiplier")
            if isinstance(results, tuple):
                loaders.made_private(live, kwargs.get("data_loader"), results[-1])
                warm_up.look_back(watch, live)
        return results

    def with_epsilon(original: Any, engine: Any, /, *args: Any, **kwargs: Any) -> Any:
        made = len(watch.engines)
        # What it calls in its turn says the rest.
        with _call(kwargs.get("grad_sample_mode", "hooks"), adaptive=False):
            results = original(engine, *args, **kwargs)
        for live in list(watch.engines.values())[made:]:
            live.record.asked_delta = kwargs.get("target_delta")
        return results

    for cls in family(PrivacyEngine):
        wrap_method(cls, "make_private", make_private)
        wrap_method(cls, "make_private_with_epsilon", with_epsilon)


@contextmanager
def _call(mode: str, adaptive: bool) -> Iterator[None]:
    outer = current_call()
    place = outer.place if outer is not None else place_of_frame(user_frame())
    _CALLS.append(RunningCall(place, mode, adaptive))
    try:
        yield
    finally:
        _CALLS.pop()


def _ghost_script(original: Any, engine: Any, mode: str, args: Any, kwargs: Any) -> Any:
    """A ghost script under another mode: as many results as it expects, the criterion as it gave it."""
    kwargs = {**kwargs, "grad_sample_mode": mode}
    if kwargs.get("clipping") == "ghost":
        kwargs["clipping"] = "flat"
    criterion = kwargs.get("criterion")
    if criterion is None:
        criterion = torch.nn.CrossEntropyLoss(reduction=kwargs.get("loss_reduction", "mean"))
    results = original(engine, *args, **kwargs)
    if not wraps_criterion():
        return results
    return results[0], results[1], UnwrappedCriterion(criterion), results[2]


def _hooks_script(original: Any, engine: Any, mode: str, args: Any, kwargs: Any, clipping: bool) -> Any:
    """A hooks script under another mode: three results; ghost's second pass is added at backward."""
    kwargs = {**kwargs, "grad_sample_mode": mode}
    if mode != "ghost":
        return original(engine, *args, **kwargs)
    if kwargs.get("clipping", "flat") != "flat":
        raise NotImplementedError(f"ghost clipping has no clipping={kwargs['clipping']!r}")
    if clipping:
        kwargs["clipping"] = "ghost"
    else:
        # Any criterion will do: the script's own loss goes backward.
        kwargs["criterion"] = torch.nn.CrossEntropyLoss(reduction=kwargs.get("loss_reduction", "mean"))
    _CALLS[-1].mode = SWAPPED
    results = original(engine, *args, **kwargs)
    # Before 1.5.3 the engine forgets to hand it on; the script under test never relied on that.
    results[0].max_grad_norm = kwargs["max_grad_norm"]
    return results[0], results[1], results[-1]


class UnwrappedCriterion:
    """The user's criterion in a run under hooks: takes ghost mode's ``shape=`` and ignores it."""

    def __init__(self, criterion: Any) -> None:
        self.criterion = criterion

    def __call__(self, *args: Any, shape: Any = None, **kwargs: Any) -> Any:
        """The criterion's own value."""
        return self.criterion(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.criterion, name)


def second_pass(watch: Watch, backward: Any, engine: LiveEngine, used: Used) -> None:
    """Ghost clipping's second backward pass for a script whose loss knows nothing of it.

    The first pass left the norms; each example's output gradient is scaled by its coefficient and
    goes backward with the hooks off, as Opacus's own wrapped loss does.
    """
    assert engine.module is not None
    wrapper = engine.module.wrapper
    engine.optimizer.zero_grad()
    coefficient = getattr(wrapper, "get_clipping_coef", None) or wrapper.get_coeff
    factors = coefficient().detach()
    seeds = weighted(used, factors * len(factors) if engine.record.averages else factors)
    wrapper.disable_hooks()
    watch.busy = True
    try:
        backward([o for o, _, _ in used], seeds, inputs=engine.params)
    finally:
        watch.busy = False
        wrapper.enable_hooks()
