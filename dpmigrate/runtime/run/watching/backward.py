"""Watching backward passes: which losses reach a private model, and what the oracle says of them."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from dpmigrate.runtime.limits import TIMES_ROUNDING, parity_limit
from dpmigrate.runtime.messages import error_line
from dpmigrate.runtime.run.figures import OWN_GRADIENTS
from dpmigrate.runtime.run.places import user_place
from dpmigrate.runtime.run.records import BackwardPass
from dpmigrate.runtime.run.watching import swap
from dpmigrate.runtime.run.watching.alone import Alone, NotAloneError
from dpmigrate.runtime.run.watching.engines import LiveEngine, PrivateModule
from dpmigrate.runtime.run.watching.graph import (
    NoOracle,
    Question,
    depends_on,
    flat_gradients,
    flatten,
    judge,
    leaves,
    made_by,
    nodes_of,
    output_gradients,
)
from dpmigrate.runtime.run.watching.losses import Used, padding_counted, second_pass_weights
from dpmigrate.runtime.run.watching.state import Watch

ORACLE_BUDGET = 60.0
"""Seconds of oracle after which the first logical step of each engine has to do."""

_POSITIONS = ("grad_tensors", "retain_graph", "create_graph", "grad_variables", "inputs")
"""The parameters of ``torch.autograd.backward`` after the first, in order."""


class BackwardWatcher:
    """Stands around ``torch.autograd.backward``, Opacus's wrapped losses and its norms."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.spent = 0.0

    def norms_asked(self, original: Any, wrapper: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Around ``get_norm_sample``: the last backward pass is being clipped by these norms."""
        norms = original(wrapper, *args, **kwargs)
        engine = self.watch.engine_of(self.watch.modules.get(id(wrapper)))
        if engine is not None and engine.backwards:
            last = engine.backwards[-1]
            last.coefficient, last.cleared = True, False
            if not self.watch.judges(engine):
                return norms
            last.ghost_norms = flatten([norms])
            each = [getattr(p, "_norm_sample", None) for p in engine.params]
            if all(isinstance(t, Tensor) for t in each):
                last.ghost_param_norms = torch.stack([flatten([t]) for t in each if t is not None])
        return norms

    def criterion(self, original: Any, wrapper: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Around the call of Opacus's wrapped criterion."""
        loss = original(wrapper, *args, **kwargs)
        engine = self.watch.engines.get(id(getattr(wrapper, "optimizer", None)))
        losses = getattr(loss, "loss_per_sample", None)
        if engine is None or not self.watch.holds_to_oracle(engine) or not isinstance(losses, Tensor):
            return loss
        if losses.requires_grad and losses.dim() == 1:
            engine.share = padding_counted(original, wrapper, args, kwargs, losses)
        return loss

    def wrapped(self, original: Any, loss: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Around ``backward()`` of Opacus's wrapped loss."""
        watch, outer = self.watch, self.watch.wrapped_loss
        watch.wrapped_loss = loss
        try:
            return original(loss, *args, **kwargs)
        finally:
            watch.wrapped_loss = outer

    def any(self, original: Any, /, tensors: Any, *args: Any, **kwargs: Any) -> Any:
        """Around ``torch.autograd.backward``, which every ``Tensor.backward`` calls."""
        watch = self.watch
        if not watch.busy:
            self._look_beside([tensors] if isinstance(tensors, Tensor) else list(tensors))
        watched = [e for e in watch.engines.values() if self._concerns(e)]
        lightly = [(e, _norm_samples(e)) for e in watch.engines.values() if self._only_watched(e)]
        second = [e for e in watch.engines.values() if self._second_due(e)]
        closing = [e for e in watch.engines.values() if self._closes(e)]
        if watch.busy or not (watched or second or lightly or closing):
            return original(tensors, *args, **kwargs)
        if not (watched or second):
            result = original(tensors, *args, **kwargs)
            self._note_passes(lightly)
            for engine in closing:
                engine.backwards[-1].after = engine.some_gradients()
            return result
        losses = [tensors] if isinstance(tensors, Tensor) else list(tensors)
        kwargs |= dict(zip(_POSITIONS, args, strict=False))
        given = kwargs.get("grad_tensors")
        seeds = [given] if isinstance(given, Tensor) or given is None else list(given)
        seeds += [None] * (len(losses) - len(seeds))
        touched = []
        for engine in watched:
            used = self._judge(engine, losses, seeds)
            if used is not None:
                touched.append((engine, used))
        swapped = [(e, u) for e, u in touched if u and e.record.mode == swap.SWAPPED]
        for engine, used in touched:
            engine.record.unfollowed |= not used and engine.record.mode == swap.SWAPPED
        if swapped:
            kwargs["retain_graph"] = True
        followed = [e for e in second if self._second(e, losses, seeds)]
        result = original(tensors, **kwargs)
        self._note_passes(lightly)
        for engine in followed:
            engine.backwards[-1].after = flat_gradients(engine.params)
        for engine, used in swapped:
            swap.second_pass(watch, original, engine, used)
        for engine, used in touched:
            engine.first_pass = used
            if engine.module is not None:
                engine.module.forwards.clear()
        return result

    def _look_beside(self, losses: list[Any]) -> None:
        """Note what else a loss trains that reaches a private model, and whether it is made as it was."""
        looking = self.watch.settings.watch > 0
        engines = [
            e
            for e in self.watch.engines.values()
            if e.module is not None and (self.watch.judges(e) or (looking and not e.record.otherwise))
        ]
        nodes = nodes_of([t for t in losses if isinstance(t, Tensor)]) if engines else []
        reached, made = leaves(nodes), made_by(nodes)
        ids = {id(t) for t in reached}
        for engine in engines:
            assert engine.module is not None
            own = {id(p) for p in engine.module.parameters()}
            if ids & own and self.watch.judges(engine) and not engine.later:
                others = (t for t in reached if isinstance(t, Parameter) and id(t) not in own)
                engine.beside.update((id(p), p) for p in others)
                engine.losses.add(made)
            elif ids & own and engine.losses and not engine.record.otherwise and made not in engine.losses:
                engine.record.otherwise = len(engine.record.releases) + 1

    def _only_watched(self, engine: LiveEngine) -> bool:
        """Whether a pass is only to be noticed: a ghost run whose steps are not judged any more."""
        if not self.watch.settings.oracle or engine.module is None or not engine.module.ghost:
            return False
        return engine.module.hooks_on and not self.watch.judges(engine) and engine.record.mode != swap.SWAPPED

    def _closes(self, engine: LiveEngine) -> bool:
        """Whether a pass now is the second of two in such a run."""
        if engine.module is None or engine.module.hooks_on or self.watch.judges(engine):
            return False
        return self.watch.settings.oracle and bool(engine.backwards) and engine.backwards[-1].coefficient

    @staticmethod
    def _note_passes(lightly: list[tuple[LiveEngine, list[Any]]]) -> None:
        for engine, before in lightly:
            if any(new is not old for new, old in zip(_norm_samples(engine), before, strict=True)):
                engine.backwards.append(BackwardPass(reason="after the steps that are judged"))

    def _second_due(self, engine: LiveEngine) -> bool:
        """Whether a backward pass now may be the second of two: hooks off, after one with hooks on."""
        if engine.module is None or engine.module.hooks_on or not self.watch.holds_to_oracle(engine):
            return False
        if not engine.backwards or not engine.first_pass:
            return False
        return engine.backwards[-1].coefficient and engine.backwards[-1].expected is not None

    def _second(self, engine: LiveEngine, losses: list[Tensor], seeds: list[Tensor | None]) -> bool:
        """Note what a second pass multiplies each example by; False where it is none of this engine."""
        assert engine.module is not None
        entry, first = engine.backwards[-1], engine.first_pass
        with self._hooks_off(engine.module):
            given = [torch.ones_like(t) if s is None else s for t, s in zip(losses, seeds, strict=True)]
            try:
                gradients = torch.autograd.grad(
                    losses, [o for o, _, _ in first], given, retain_graph=True, allow_unused=True
                )
            except RuntimeError:
                return False
        used = [(o, g, d) for (o, _, d), g in zip(first, gradients, strict=True) if g is not None]
        if not used:
            return False
        entry.weights = second_pass_weights(
            first, used, float(entry.count) if engine.record.averages else 1.0
        )
        engine.first_pass = []
        return True

    def _concerns(self, engine: LiveEngine) -> bool:
        if engine.module is None or not engine.module.hooks_on:
            return False
        return self.watch.holds_to_oracle(engine) or engine.record.mode == swap.SWAPPED

    def _judge(self, engine: LiveEngine, losses: list[Tensor], seeds: list[Tensor | None]) -> Used | None:
        """Note a backward pass where the losses reach the engine; the outputs used, None if untouched."""
        private = engine.module
        assert private is not None
        if not all(isinstance(t, Tensor) and t.requires_grad for t in losses):
            return None
        engine.look_for_changes()
        used: Used = []
        with self._hooks_off(private):
            try:
                if not private.expanded and not depends_on(losses, seeds, engine.params):
                    return None
                used = output_gradients(losses, seeds, private.forwards)
                if private.expanded and not used:
                    return None
                entry = self._judged(engine, losses, seeds, used)
            except NoOracle as error:
                entry = BackwardPass(_count(used, private), reason=" ".join(str(error).split()))
            except Exception as error:
                # A graph that the oracle cannot follow is the oracle's trouble, not the script's.
                entry = BackwardPass(_count(used, private), reason=error_line(error))
        engine.record.backward = engine.record.backward or user_place()
        per_example = getattr(self.watch.wrapped_loss, "loss_per_sample", None)
        # Loops that make both passes by hand average, or add up, what the criterion gave.
        reduced = getattr(losses[0].grad_fn, "_saved_self_sym_sizes", None) if private.ghost else None
        shape = per_example.shape if isinstance(per_example, Tensor) else reduced
        entry.loss_shape = None if shape is None else tuple(shape)
        engine.backwards.append(entry)
        return used

    def _judged(
        self, engine: LiveEngine, losses: list[Tensor], seeds: list[Tensor | None], used: Used
    ) -> BackwardPass:
        if not self.watch.settings.oracle:
            return BackwardPass(reason="not asked for")
        assert engine.module is not None
        if engine.record.mode == "no_op":
            raise NoOracle(OWN_GRADIENTS)
        if not used:
            raise NoOracle(
                engine.module.trouble
                or "the loss does not pass through an output of the private model's forward()"
            )
        if self.spent > ORACLE_BUDGET and engine.record.steps:
            raise NoOracle(f"the oracle took {self.spent:.0f} seconds for the steps before this one")
        began = time.perf_counter()
        count, alone = _count(used, engine.module), self._alone(engine.module, used)
        named = zip(engine.record.names, engine.params, strict=True)
        engine.record.hooked = [name for name, p in named if p._backward_hooks]
        if engine.module.expanded:
            losses, used, alone = self._on_parameters(engine.module, used, alone)
            seeds = [gradient for _, gradient, _ in used]
        asked = Question(
            used,
            engine.params,
            engine.bounds,
            engine.record.averages,
            share=None if engine.share is None or len(engine.share) != count else engine.share,
            keep_rows=engine.record.adaptive,
            keep_gradient=engine.record.mode == "ghost" and self.watch.wrapped_loss is None,
            alone=alone,
            tight=parity_limit(engine.record.dtype, sum(engine.record.sizes)) / TIMES_ROUNDING,
            budget=ORACLE_BUDGET - self.spent,
        )
        entry = judge(losses, seeds, asked)
        engine.share = None
        self.spent += time.perf_counter() - began
        return entry

    @staticmethod
    def _on_parameters(
        private: PrivateModule, used: Used, alone: Alone | None
    ) -> tuple[list[Tensor], Used, Alone]:
        """(outputs, used, alone) of the same call on a graph that reaches the parameters.

        A model on expanded weights is called again without them. Raises NoOracle where it does not give
        the same outputs.
        """
        if alone is None:
            raise NoOracle("expanded weights: several calls of the model take part in one loss")
        try:
            twins = alone.together(private.random_state)
        except NotAloneError as error:
            raise NoOracle(f"expanded weights: {error}") from error
        again = {id(o): twin for o, twin in zip(alone.outputs, twins, strict=True)}
        plain = [(again[id(o)], gradient, d) for o, gradient, d in used]
        return [o for o, _, _ in plain], plain, replace(alone, outputs=twins)

    @staticmethod
    def _alone(private: PrivateModule, used: Used) -> Alone | None:
        """The one call of the model that the losses come from, to be repeated; None if several do."""
        ids = {id(o) for o, _, _ in used}
        calls = [f for f in private.forwards if ids & {id(o) for o in f.outputs}]
        return calls[0].alone if len(calls) == 1 else None

    @contextmanager
    def _hooks_off(self, private: PrivateModule) -> Iterator[None]:
        """Our own passes over the script's graph must not be seen by Opacus, nor by ourselves."""
        wrapper = private.wrapper
        switch = getattr(wrapper, "hooks_enabled", None)
        silence = ("ignore", None, Warning, None, 0)
        self.watch.busy = True
        try:
            if switch is not None:
                wrapper.hooks_enabled = False
            # torch warns of Opacus's hooks at every place that runs a backward pass, ours included.
            # catch_warnings would make Python forget what it has shown, and show it again every time.
            warnings.filters.insert(0, silence)  # type: ignore[attr-defined]
            yield
        finally:
            if silence in warnings.filters:
                warnings.filters.remove(silence)  # type: ignore[attr-defined]
            self.watch.busy = False
            if switch is not None:
                wrapper.hooks_enabled = switch


def _norm_samples(engine: LiveEngine) -> list[Any]:
    return [getattr(p, "_norm_sample", None) for p in engine.params]


def _count(used: Used, private: PrivateModule) -> int:
    """The number of examples that a backward pass is about; 0 where no call of the model was seen."""
    if used:
        output, _, dimension = used[0]
        return output.shape[dimension]
    return max((f.count for f in private.forwards), default=0)
