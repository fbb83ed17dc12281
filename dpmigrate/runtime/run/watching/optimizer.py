"""Watching DP optimizers: physical batches, the value that receives the noise, the noise itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from types import MethodType
from typing import Any

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from dpmigrate.runtime.features import wraps_criterion
from dpmigrate.runtime.oracle import clip
from dpmigrate.runtime.run.figures import FIT, relative
from dpmigrate.runtime.run.places import being_probed, place_of_frame, user_frame, user_place
from dpmigrate.runtime.run.records import EngineRecord, LogicalStep, PhysicalBatch, Release
from dpmigrate.runtime.run.watching import accounting, own_clipping, skips, swap, warm_up
from dpmigrate.runtime.run.watching.engines import LINEAR_OPTIMIZERS, LiveEngine, names_of, some_entries
from dpmigrate.runtime.run.watching.generators import generator_kind, generator_state
from dpmigrate.runtime.run.watching.graph import flat_gradients, flatten
from dpmigrate.runtime.run.watching.patching import wrap_method
from dpmigrate.runtime.run.watching.state import Watch


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
        if id(optimizer) in watch.engines or being_probed():
            return
        self.patch_class(type(optimizer))
        params = list(optimizer.params)
        if any(hasattr(p, "full_tensor") for p in params):
            watch.record.sharded = True
            watch.finish()
        ids = {id(p) for p in params}
        newest_first = reversed(list(watch.modules.values()))
        module = next((m for m in newest_first if ids & {id(p) for p in m.parameters()}), None)
        call = swap.current_call()
        place = place_of_frame(user_frame()) if call is None else call.place
        by_hand = "ghost" if module is not None and module.ghost else "hooks"
        inner = optimizer.original_optimizer
        if bound is not None:
            optimizer.max_grad_norm = bound
            if module is not None and module.ghost:
                module.wrapper.max_grad_norm = bound
        layers = [] if module is None else list(module.wrapper._module.named_modules())
        record = EngineRecord(
            path=place.path,
            line=place.line,
            mode=by_hand if call is None else call.mode,
            manual=call is None,
            generator=generator_kind(optimizer.generator),
            names=names_of(module, params),
            sizes=[p.numel() for p in params],
            shapes=[tuple(p.shape) for p in params],
            dtype=str(params[0].dtype).removeprefix("torch.") if params else "float32",
            optimizer=type(optimizer).__name__,
            linear_optimizer=type(inner).__name__ in LINEAR_OPTIMIZERS,
            wrapped_api=wraps_criterion(),
            asked_norm=_number(optimizer.max_grad_norm),
            adaptive=call is not None and call.adaptive,
            averages=getattr(optimizer, "loss_reduction", "mean") == "mean",
            own_clipping=own_clipping.own_clipping(type(optimizer)),
            own_samplers=own_clipping.own_samplers(module),
            padded=[f"{n}.weight" for n, m in layers if getattr(m, "padding_idx", None) is not None],
            batch_norms=[n for n, m in layers if isinstance(m, _BatchNorm) and m.training],
            per_layer=len(getattr(optimizer, "max_grad_norms", None) or ()) == len(params),
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
            self._follow_replaced(optimizer)
            engine.open = self._physical_batch(engine)
            skips.taken(engine)
        return original(optimizer, *args, **kwargs)

    def _physical_batch(self, engine: LiveEngine) -> PhysicalBatch:
        """What went backward since the last one."""
        engine.look_for_changes()
        batch = PhysicalBatch([b for b in engine.backwards if not b.cleared], fed=engine.feed.taken())
        if engine.module is not None:
            batch.hooks_off = engine.module.unhooked or not engine.module.hooks_on
            engine.module.unhooked = False
        engine.backwards = []
        engine.physical.append(batch)
        if self.watch.holds_to_oracle(engine) and len(batch.backwards) == 1:
            batch.backwards[0].note_rows([getattr(p, "grad_sample", None) for p in engine.params])
        return batch

    def _follow_replaced(self, optimizer: Any) -> None:
        """Stand around an ``add_noise`` that the script has put in the place of the optimizer's."""
        for cls in type(optimizer).__mro__:
            wrap_method(cls, "add_noise", self.add_noise)

        def own(original: Any, *args: Any, **kwargs: Any) -> Any:
            return self.add_noise(lambda _, *a, **k: original(*a, **k), optimizer, *args, **kwargs)

        wrap_method(optimizer, "add_noise", own)

    def accumulate(self, original: Any, optimizer: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Around ghost mode's ``accumulate``: ``p.grad`` as it is received."""
        engine = self.watch.engines.get(id(optimizer))
        batch = None if engine is None else engine.open
        if engine is not None and batch is not None:
            left = batch.backwards[-1].after if batch.backwards else None
            if self.watch.holds_to_oracle(engine):
                batch.received = flat_gradients(engine.params)
            elif left is None:
                batch.changed = "DPM118" * batch.hooks_off
            elif relative(received := engine.some_gradients(), left) > FIT:
                batch.changed = "DPM109" if bool(received.any()) else "DPM108"
        return original(optimizer, *args, **kwargs)

    def add_noise(self, original: Any, optimizer: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Around ``add_noise``: the value that receives the noise, and then the noise."""
        engine = self.watch.engines.get(id(optimizer))
        if engine is None or engine.current is not None:
            return original(optimizer, *args, **kwargs)
        if self.watch.before_noise is not None and self.watch.judges(engine):
            self.watch.before_noise(engine, lambda: original(optimizer, *args, **kwargs))
        if not engine.physical and engine.backwards:
            # The script clips and adds noise by calls of its own.
            self._physical_batch(engine)
        release = self._release(engine)
        engine.current = self._logical_step(engine, release)
        engine.physical = []
        engine.noise = []
        # What was frozen since is not released, and keeps an old sum.
        trained = {id(p) for p in optimizer.params}
        sums = [(p, getattr(p, "summed_grad", None)) for p in engine.params if id(p) in trained]
        noised = [(p, s) for p, s in sums if s is not None]
        before = some_entries([s for _, s in noised])
        result = original(optimizer, *args, **kwargs)
        if engine.record.own_clipping:
            noise = torch.cat([some_entries([n]) for n in engine.noise] or [before[:0]])
        else:
            noise = some_entries([torch.zeros_like(s) if p.grad is None else p.grad for p, s in noised])
            noise -= before
            if self.watch.settings.quiet:
                # Drawn all the same, so that sampling (which shares the generator) goes on as it would.
                for p, s in noised:
                    p.grad = self.watch.instead.get(id(p), s).detach().clone().view_as(p)
        engine.noise = []
        release.noise_count = len(noise)
        release.noise_std = float(noise.square().mean().sqrt()) if len(noise) else 0.0
        release.noise = noise[:: max(1, len(noise) // 64)][:64] / (release.sigma or 1.0)
        engine.record.releases.append(release)
        return result

    def noise(self, original: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Around ``_generate_noise``, for optimizers that add noise by a rule of their own."""
        noise = original(*args, **kwargs)
        for engine in self.watch.engines.values():
            if engine.current is not None and engine.record.own_clipping:
                engine.noise.append(noise.detach())
                if self.watch.settings.quiet:
                    return torch.zeros_like(noise)
        return noise

    def zero_grad(self, original: Any, optimizer: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Around the optimizer's ``zero_grad``."""
        gradients_cleared(self.watch.engines.get(id(optimizer)))
        return original(optimizer, *args, **kwargs)

    def _release(self, engine: LiveEngine) -> Release:
        optimizer, record = engine.optimizer, engine.record
        norm = _number(optimizer.max_grad_norm)
        multiplier = float(getattr(optimizer, "_adjusted_noise_multiplier", optimizer.noise_multiplier))
        wrapper = engine.module.wrapper if engine.module is not None else None
        weights = engine.some_weights()
        if not record.releases:
            accounting.goes_on(self.watch, engine)
            for trained in warm_up.teachers(self.watch, engine):
                record.taught = trained.steps
        elif engine.weights is not None and not torch.equal(weights, engine.weights):
            record.moved += 1
            warm_up.brought_in(self.watch, engine)
        # Distributed optimizers know these only once they are made.
        record.adds_noise = getattr(optimizer, "rank", 0) == 0
        record.processes = getattr(optimizer, "world_size", 1)
        engine.loaded = self.watch.loaded
        backwards = [b for batch in engine.physical for b in batch.backwards]
        loose = "ghost" in record.mode and any(not b.coefficient for b in backwards)
        told, engine.told = engine.told, []
        feed = engine.feed
        examples, feed.examples = feed.examples, 0
        return Release(
            max_grad_norm=norm,
            module_norm=_number(getattr(wrapper, "max_grad_norm", None)),
            multiplier=multiplier,
            sigma=multiplier * norm if norm is not None else 0.0,
            noise=torch.zeros(0),
            noise_std=0.0,
            noise_count=0,
            generator_state=generator_state(optimizer.generator, engine.params[0]) if engine.params else 0,
            batch_digest=f"{engine.digest:08x}",
            fed=[batch.fed for batch in engine.physical],
            examples=examples,
            accounted=told,
            changed="DPM103" if loose else next((b.changed for b in engine.physical if b.changed), ""),
            order=(os.getpid(), sum(len(e.releases) for e in self.watch.record.engines)),
            seed=torch.initial_seed(),
        )

    def _logical_step(self, engine: LiveEngine, release: Release) -> LogicalStep:
        optimizer = engine.optimizer
        step = LogicalStep(
            physical=engine.physical,
            max_grad_norm=release.max_grad_norm,
            module_norm=release.module_norm,
            scale=_scale(optimizer),
            batch_digest=release.batch_digest,
        )
        if not self.watch.judges(engine):
            return step
        if self.watch.settings.keep_vectors or self.watch.before_value is not None:
            step.value = _sums(engine.params)
            if self.watch.before_value is not None:
                # What has begun to train since is in no sum of the oracle's, and moves like the rest.
                self.watch.before_value(engine, _sums(list(optimizer.params)))
            step.before = engine.flat_parameters()
        if step.max_grad_norm is not None:
            _clip_at_last_norm(step, step.max_grad_norm)
        return step

    def _count_raw_steps(self, engine: LiveEngine, inner: Any) -> None:
        """Notice the torch optimizer being stepped without its private wrapper: no noise at all."""
        original = inner.step

        def step(_inner: Any, *args: Any, **kwargs: Any) -> Any:
            if engine.current is not None and self.watch.judges(engine) and self.watch.settings.keep_vectors:
                engine.current.handed = flat_gradients(engine.params)
            sharing = [e for e in self.watch.engines.values() if e.optimizer.original_optimizer is inner]
            if any(e.depth for e in sharing):
                return original(*args, **kwargs)
            if not any(e.current for e in sharing) and _has_gradient(engine.params):
                # What it was fed is in no release, once the gradients are cleared.
                engine.feed.examples = 0
                for backward in engine.backwards:
                    backward.stepped_bare = True
                engine.record.raw.one_more(inner, user_place())
                if self._enough_raw(engine):
                    self.watch.finish()
            result = original(*args, **kwargs)
            if engine.current is not None:
                # The noise was added by calls of the script's own.
                self.watch.finished_step(engine)
            else:
                engine.weights = engine.some_weights()
            return result

        # A bound method, as it was: schedulers of torch ask for its function.
        inner.step = MethodType(step, inner)

    def _enough_raw(self, engine: LiveEngine) -> bool:
        settings = self.watch.settings
        return not settings.watch and engine.record.raw.count >= settings.steps and not engine.record.steps

    def other_step(self, optimizer: Any, _args: Any, _kwargs: Any) -> None:
        """Before the step of any torch optimizer: does another one train a private model?"""
        watch = self.watch
        if id(optimizer) in watch.engines:
            return
        for engine in watch.engines.values():
            if engine.optimizer.original_optimizer is optimizer or engine.module is None:
                continue
            if any(e.optimizer.original_optimizer is optimizer for e in watch.engines.values()):
                continue
            private = {id(p) for p in engine.module.parameters()}
            shared = [p for group in optimizer.param_groups for p in group["params"] if id(p) in private]
            if shared and _has_gradient(shared):
                # What it was fed is in no release.
                engine.feed.examples = 0
                engine.record.other.one_more(optimizer, user_place())
            beside = [
                p for group in optimizer.param_groups for p in group["params"] if id(p) in engine.beside
            ]
            if _has_gradient(beside):
                engine.record.beside.one_more(optimizer, user_place())

    def stepped(self, optimizer: Any, _args: Any, _kwargs: Any) -> None:
        """After the step of any torch optimizer."""
        if not any(e.optimizer.original_optimizer is optimizer for e in self.watch.engines.values()):
            warm_up.stepped(self.watch, optimizer)


def _sums(params: list[Any]) -> torch.Tensor:
    """What of each parameter receives the noise."""
    sums = [(getattr(p, "summed_grad", None), p) for p in params]
    return flatten([torch.zeros_like(p) if s is None else s for s, p in sums])


def _has_gradient(params: Sequence[torch.Tensor]) -> bool:
    return any(p.grad is not None and bool(p.grad.any()) for p in params)


def gradients_cleared(engine: LiveEngine | None) -> None:
    """Forget backward passes whose gradients were cleared before anything was clipped by them.

    A pass that was clipped stays: clearing it loses its examples, and the oracle must notice.
    """
    if engine is None:
        return
    for backward in engine.backwards:
        if not backward.coefficient or backward.stepped_bare:
            backward.cleared = True


def _clip_at_last_norm(step: LogicalStep, norm: float) -> None:
    """Adaptive clipping moves C inside ``backward()``: the oracle clips where the noise is scaled."""
    for backward in step.backwards:
        if backward.rows is not None:
            backward.expected, _ = clip(backward.rows, norm)
            backward.rows = None


def _scale(optimizer: Any) -> float | None:
    if getattr(optimizer, "loss_reduction", "mean") != "mean":
        return 1.0
    batch = optimizer.expected_batch_size
    return 1.0 / (batch * optimizer.accumulated_iterations) if batch else None


def _number(value: Any) -> float | None:
    """A clipping norm, which adaptive clipping makes a tensor of; None for one of each parameter."""
    return None if value is None or isinstance(value, (list, tuple)) else float(value)
