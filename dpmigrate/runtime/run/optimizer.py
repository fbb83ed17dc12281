"""Watching DP optimizers: physical batches, the value that receives the noise, the noise itself."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import torch

from dpmigrate.runtime.oracle import clip
from dpmigrate.runtime.run import foreign, skips, swap
from dpmigrate.runtime.run.engines import (
    LINEAR_OPTIMIZERS,
    LiveEngine,
    generator_kind,
    names_of,
)
from dpmigrate.runtime.run.graph import flat_gradients, flatten
from dpmigrate.runtime.run.places import place_of, user_frame
from dpmigrate.runtime.run.records import EngineRecord, LogicalStep, PhysicalBatch
from dpmigrate.runtime.run.state import Watch


class OptimizerWatcher:
    """Stands around the methods of ``DPOptimizer`` and its subclasses."""

    def __init__(self, watch: Watch, patch_class: Callable[[type], None]) -> None:
        self.watch = watch
        self.patch_class = patch_class

    def created(self, original: Any, optimizer: Any, /, *args: Any, **kwargs: Any) -> None:
        """Around ``__init__``: a new private training run begins."""
        watch = self.watch
        bound = watch.settings.bounds.get(len(watch.record.engines))
        if bound is not None and id(optimizer) not in watch.engines and "max_grad_norm" in kwargs:
            kwargs["max_grad_norm"] = bound
        original(optimizer, *args, **kwargs)
        if id(optimizer) in watch.engines:
            return
        self.patch_class(type(optimizer))
        params = list(optimizer.params)
        ids = {id(p) for p in params}
        newest_first = reversed(list(watch.modules.values()))
        module = next((m for m in newest_first if ids & {id(p) for p in m.parameters()}), None)
        call = swap.current_call()
        place = place_of(user_frame()) if call is None else call.place
        by_hand = "ghost" if module is not None and module.ghost else "hooks"
        inner = optimizer.original_optimizer
        if bound is not None:
            optimizer.max_grad_norm = bound
            if module is not None and module.ghost:
                module.wrapper.max_grad_norm = bound
        record = EngineRecord(
            path=place.path,
            line=place.line,
            cell=None,
            mode=by_hand if call is None else call.mode,
            manual=call is None,
            generator=generator_kind(optimizer.generator),
            names=names_of(module, params),
            sizes=[p.numel() for p in params],
            shapes=[tuple(p.shape) for p in params],
            dtype=str(params[0].dtype).removeprefix("torch.") if params else "float32",
            optimizer=type(optimizer).__name__,
            linear_optimizer=type(inner).__name__ in LINEAR_OPTIMIZERS,
            wrapped_api=swap.wrapped_api(),
            asked_norm=_number(optimizer.max_grad_norm),
            adaptive=call is not None and call.adaptive,
            averages=getattr(optimizer, "loss_reduction", "mean") == "mean",
            own_clipping=foreign.own_clipping(type(optimizer)),
            per_layer=len(_list(getattr(optimizer, "max_grad_norms", None))) == len(params),
        )
        engine = LiveEngine(optimizer, record, module)
        watch.engines[id(optimizer)] = engine
        watch.record.engines.append(record)
        self._count_raw_steps(engine, inner)

    def step(self, original: Any, optimizer: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Around ``step``: one physical batch ends, and perhaps the logical one."""
        engine = self.watch.engines.get(id(optimizer))
        if engine is None or engine.depth:
            return original(optimizer, *args, **kwargs)
        if self.watch.stopping:
            self.watch.finish()
        engine.depth += 1
        try:
            result = original(optimizer, *args, **kwargs)
        finally:
            engine.depth -= 1
            engine.open = None
        if engine.module is not None:
            engine.module.forwards.clear()
        if engine.current is not None:
            self.watch.finished_step(engine)
        return result

    def pre_step(self, original: Any, optimizer: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Around ``pre_step``: what went backward since the last one is this physical batch."""
        engine = self.watch.engines.get(id(optimizer))
        if engine is not None and engine.open is None:
            engine.open = PhysicalBatch([b for b in engine.backwards if not b.cleared])
            engine.backwards = []
            engine.physical.append(engine.open)
            skips.taken(engine)
        return original(optimizer, *args, **kwargs)

    def accumulate(self, original: Any, optimizer: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Around ghost mode's ``accumulate``: ``p.grad`` as it is received."""
        engine = self.watch.engines.get(id(optimizer))
        if engine is not None and engine.open is not None and self.watch.settings.oracle:
            engine.open.received = flat_gradients(engine.params)
        return original(optimizer, *args, **kwargs)

    def add_noise(self, original: Any, optimizer: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Around ``add_noise``: the value that receives the noise, and then the noise."""
        engine = self.watch.engines.get(id(optimizer))
        if engine is None or engine.current is not None:
            return original(optimizer, *args, **kwargs)
        engine.current = self._logical_step(engine)
        engine.physical = []
        engine.noise = []
        result = original(optimizer, *args, **kwargs)
        if engine.noise:
            drawn = torch.cat(engine.noise)
            step = engine.current
            step.noise_count = drawn.numel()
            step.noise_std = float(drawn.std()) if drawn.numel() > 1 else 0.0
            step.noise_digest = hashlib.sha256(drawn.numpy().tobytes()).hexdigest()
            engine.noise = []
        return result

    def noise(self, original: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Around ``_generate_noise``."""
        noise = original(*args, **kwargs)
        settings = self.watch.settings
        for engine in self.watch.engines.values():
            if settings.measure_noise and engine.depth and engine.current is not None:
                engine.noise.append(flatten([noise]))
        # Drawn all the same, so that sampling (which shares the generator) goes on as it would.
        return torch.zeros_like(noise) if settings.quiet else noise

    def zero_grad(self, original: Any, optimizer: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Around the optimizer's ``zero_grad``."""
        gradients_cleared(self.watch.engines.get(id(optimizer)))
        return original(optimizer, *args, **kwargs)

    def _logical_step(self, engine: LiveEngine) -> LogicalStep:
        optimizer, settings = engine.optimizer, self.watch.settings
        norm = _number(optimizer.max_grad_norm)
        multiplier = getattr(optimizer, "_adjusted_noise_multiplier", optimizer.noise_multiplier)
        wrapper = engine.module.wrapper if engine.module is not None else None
        step = LogicalStep(
            physical=engine.physical,
            max_grad_norm=norm,
            module_norm=_number(getattr(wrapper, "max_grad_norm", None)),
            sigma=float(multiplier) * norm if norm is not None else 0.0,
            scale=_scale(optimizer),
            batch_digest=f"{engine.digest:08x}",
        )
        if settings.keep_vectors or self.watch.before_value is not None:
            sums = [(getattr(p, "summed_grad", None), p) for p in engine.params]
            step.value = flatten([torch.zeros_like(p) if s is None else s for s, p in sums])
            if self.watch.before_value is not None:
                self.watch.before_value(engine, step.value)
            step.before = engine.flat_parameters()
        if norm is not None:
            _clip_at_last_norm(step, norm)
        return step

    def _count_raw_steps(self, engine: LiveEngine, inner: Any) -> None:
        """Notice the torch optimizer being stepped without its private wrapper: no noise at all."""
        original = inner.step

        def step(*args: Any, **kwargs: Any) -> Any:
            if not engine.depth:
                engine.record.raw_steps += 1
                if engine.record.raw_steps >= self.watch.settings.steps and not engine.record.steps:
                    self.watch.finish()
            elif engine.current is not None and self.watch.settings.keep_vectors:
                engine.current.handed = flat_gradients(engine.params)
            return original(*args, **kwargs)

        inner.step = step


def gradients_cleared(engine: LiveEngine | None) -> None:
    """Forget backward passes whose gradients were cleared before anything was clipped by them.

    A pass that was clipped stays: clearing it loses its examples, and the oracle must notice.
    """
    if engine is None:
        return
    for backward in engine.backwards:
        if not backward.coefficient:
            backward.cleared = True


def _clip_at_last_norm(step: LogicalStep, norm: float) -> None:
    """Adaptive clipping moves C inside ``backward()``: the oracle clips where the noise is scaled."""
    for backward in (b for batch in step.physical for b in batch.backwards):
        if backward.rows is not None:
            backward.expected, _ = clip(backward.rows, norm)
            backward.rows = None


def _scale(optimizer: Any) -> float | None:
    if getattr(optimizer, "loss_reduction", "mean") != "mean":
        return 1.0
    batch = optimizer.expected_batch_size
    return 1.0 / (batch * optimizer.accumulated_iterations) if batch else None


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else ()


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None
