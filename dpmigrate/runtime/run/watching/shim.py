"""The shim: watches Opacus inside the user's process, without a line of user code.

Installed before the script starts, it replaces methods on Opacus's classes (and
``torch.autograd.backward``) by ones that call the original and write down what passed. It asks for
features, never for version strings: the commit before the upstream fix calls itself 1.5.2.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from importlib import import_module
from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from dpmigrate.runtime.batches import tensors_in
from dpmigrate.runtime.messages import error_line
from dpmigrate.runtime.run.places import being_probed, user_place
from dpmigrate.runtime.run.watching import swap
from dpmigrate.runtime.run.watching.accounting import AccountantWatcher
from dpmigrate.runtime.run.watching.alone import Alone
from dpmigrate.runtime.run.watching.backward import BackwardWatcher
from dpmigrate.runtime.run.watching.digest import tensor_digest, transformed
from dpmigrate.runtime.run.watching.engines import PrivateModule
from dpmigrate.runtime.run.watching.graph import ForwardCall
from dpmigrate.runtime.run.watching.loaders import LoaderWatcher
from dpmigrate.runtime.run.watching.optimizer import OptimizerWatcher, gradients_cleared
from dpmigrate.runtime.run.watching.patching import family, unwrap, wrap_method
from dpmigrate.runtime.run.watching.skips import SkipWatcher
from dpmigrate.runtime.run.watching.state import Watch

LOSS_MODULES = (
    "opacus.utils.fast_gradient_clipping_utils",
    "opacus.utils.adaptive_clipping.adaptive_clipping_utils",
)
"""Where Opacus's wrapped losses live, in the releases that have them."""


class Shim:
    """Patches Opacus and torch in this process."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.backward = BackwardWatcher(watch)
        self.optimizer = OptimizerWatcher(watch, self._patch_optimizers)
        self.skips = SkipWatcher(watch)
        self.loaders = LoaderWatcher(watch)

    def install(self) -> None:
        """Put every wrapper in place."""
        import opacus  # noqa: F401 - loads the classes that are patched
        from opacus.grad_sample import gsm_base
        from opacus.optimizers import DPOptimizer
        from opacus.utils import uniform_sampler

        # Releases with wrap_model=False have hooks objects that are no modules.
        base = getattr(gsm_base, "AbstractGradSampleHooks", gsm_base.AbstractGradSampleModule)
        self.wrappers = (base, gsm_base.AbstractGradSampleModule)
        for cls in family(base):
            if cls in self.wrappers:
                wrap_method(cls, "__init__", self._new_module)
            wrap_method(cls, "get_norm_sample", self.backward.norms_asked)
            wrap_method(cls, "zero_grad", self._zero_grad_module)
        self._patch_optimizers(DPOptimizer)
        self._patch_losses()
        for name, module in list(sys.modules.items()):
            if name.startswith("opacus.optimizers"):
                wrap_method(module, "_generate_noise", self.optimizer.noise)
        if self.watch.settings.watch:
            wrap_method(uniform_sampler.DistributedUniformWithReplacementSampler, "__iter__", self._positions)
        wrap_method(torch.autograd, "backward", self.backward.any)
        self.skips.install()
        self.loaders.install()
        AccountantWatcher(self.watch).install()
        self.handles = [
            register_optimizer_step_pre_hook(self.optimizer.other_step),
            register_optimizer_step_post_hook(self.optimizer.stepped),
        ]
        if torch.distributed.is_available():
            wrap_method(torch.nn.parallel.DistributedDataParallel, "__init__", self._parallel)
        wrap_method(torch, "compile", self._compile)
        wrap_method(torch, "load", self._load)
        wrap_method(torch, "save", _save)
        wrap_method(torch.nn.functional, "cross_entropy", self._weighted_mean)
        wrap_method(torch.nn.functional, "nll_loss", self._weighted_mean)
        self.watch.follow = self._follow
        swap.install_swap(self.watch)

    def remove(self) -> None:
        """Take every wrapper away again."""
        unwrap()
        for handle in self.handles:
            handle.remove()

    def _patch_optimizers(self, base: type) -> None:
        watcher = self.optimizer
        for cls in family(base):
            wrap_method(cls, "__init__", watcher.created)
            wrap_method(cls, "step", watcher.step)
            wrap_method(cls, "pre_step", watcher.pre_step)
            wrap_method(cls, "accumulate", watcher.accumulate)
            wrap_method(cls, "add_noise", watcher.add_noise)
            wrap_method(cls, "zero_grad", watcher.zero_grad)
            wrap_method(cls, "signal_skip_step", self.skips.signalled)

    def _patch_losses(self) -> None:
        for name in LOSS_MODULES:
            try:
                module = import_module(name)
            except ImportError:
                continue
            for value in list(vars(module).values()):
                if not isinstance(value, type):
                    continue
                if hasattr(value, "backward") and "Tensor" in value.__name__:
                    wrap_method(value, "backward", self.backward.wrapped)
                elif "DPLoss" in value.__name__:
                    wrap_method(value, "__call__", self.backward.criterion)

    def _new_module(self, original: Any, wrapper: Any, /, *args: Any, **kwargs: Any) -> None:
        original(wrapper, *args, **kwargs)
        self._follow(wrapper)

    def _follow(self, wrapper: Any) -> None:
        """Watch a wrapped model, which may be a copy of another."""
        known = id(wrapper) in self.watch.modules
        if known or not isinstance(wrapper, self.wrappers) or being_probed():
            return
        private = PrivateModule(wrapper)
        self.watch.modules[id(wrapper)] = private
        ids = {id(p) for p in private.parameters()}
        for engine in self.watch.engines.values():
            if engine.module is None and ids & {id(p) for p in engine.params}:
                engine.module = private

        def seen(_module: Any, inputs: Any, keywords: Any, output: Any) -> None:
            try:
                self._forward(private, (inputs, keywords), output)
            except Exception as error:
                # Whatever the script's tensors are: watching them must not break it.
                private.trouble = f"its forward() could not be watched: {error_line(error)}"

        def begins(_module: Any, _inputs: Any) -> None:
            if not self.watch.busy:
                private.random_state = torch.get_rng_state()

        wrapper._module.register_forward_hook(_Hook(seen), with_kwargs=True)
        if private.expanded:
            wrapper._module.register_forward_pre_hook(_Hook(begins))

    def _forward(self, private: PrivateModule, inputs: Any, output: Any) -> None:
        if self.watch.busy:
            return
        engine = self.watch.engine_of(private)
        if self.watch.settings.bounds and engine is not None and private.ghost:
            # A patched make_private hands the script's own bound on after the engine was made.
            place = self.watch.record.engines.index(engine.record)
            bound = self.watch.settings.bounds.get(place, private.wrapper.max_grad_norm)
            private.wrapper.max_grad_norm = bound
        if not private.wrapper._module.training or not torch.is_grad_enabled():
            if engine is not None:
                engine.feed.looked_at()
            return
        private.unhooked |= not private.hooks_on
        given = tensors_in(inputs)
        dimension = 0 if getattr(private.wrapper, "batch_first", True) else 1
        sizes = [t.shape[dimension] for t in given if t.dim() > dimension]
        outputs = [t for t in tensors_in(output) if t.requires_grad]
        if self.watch.at_forward is not None:
            self.watch.at_forward(given, outputs)
        if any(transformed(t) for t in [*given, *outputs]):
            # Inside vmap or grad there is no graph of the batch that could be followed later.
            if engine is not None:
                engine.digest = tensor_digest(given, engine.digest)
                engine.feed.call([])
            return
        count = sizes[0] if sizes else outputs[0].shape[0] if outputs and outputs[0].dim() else 1
        if engine is not None:
            engine.digest = tensor_digest(given, engine.digest)
            engine.feed.call(given)
            engine.called = max(engine.called, count)
            engine.shape = list(given[0].shape[1:]) if given else []
            engine.record.precision = engine.record.precision or low_precision(outputs)
            if not self.watch.judges(engine) and engine.record.mode != swap.SWAPPED:
                return
        if not self.watch.settings.oracle and self.watch.settings.mode is None:
            return
        if outputs:
            alone = Alone(private.wrapper._module, inputs, outputs, count, dimension)
            private.forwards.append(ForwardCall(outputs, count, alone))

    def _parallel(self, original: Any, wrapper: Any, /, *args: Any, **kwargs: Any) -> None:
        original(wrapper, *args, **kwargs)
        engine = self.watch.engine_of(self.watch.modules.get(id(wrapper.module)))
        if engine is not None and torch.distributed.get_world_size() > 1:
            engine.record.wrapped_after = user_place()

    def _compile(self, original: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Around ``torch.compile``: every run would pay for it, and the eager code computes the same."""
        self.watch.record.compiled = self.watch.record.compiled or user_place()
        if hasattr(torch.compiler, "set_stance"):
            torch.compiler.set_stance("force_eager")
        else:
            kwargs["disable"] = True
        return original(*args, **kwargs)

    def _load(self, original: Any, /, *args: Any, **kwargs: Any) -> Any:
        self.watch.loaded += 1
        return original(*args, **kwargs)

    def _weighted_mean(self, original: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Around the losses that class weights can be given to: a mean over the weights of a batch."""
        weight = kwargs.get("weight", args[2] if len(args) > 2 else None)
        uneven = isinstance(weight, torch.Tensor) and bool((weight != weight.flatten()[0]).any())
        if uneven and kwargs.get("reduction", "mean") == "mean" and torch.is_grad_enabled():
            for engine in self.watch.engines.values():
                engine.record.weighted = True
        return original(*args, **kwargs)

    def _positions(self, original: Any, sampler: Any, /) -> Iterator[Any]:
        """Note the positions, within this rank's share of the data, of every batch drawn."""
        order = torch.arange(sampler.total_size)
        if sampler.shuffle:
            generator = torch.Generator().manual_seed(sampler.shuffle_seed + sampler.epoch)
            order = torch.randperm(sampler.total_size, generator=generator)
        places = {int(i): n for n, i in enumerate(order[sampler.rank :: sampler.num_replicas])}
        for batch in original(sampler):
            self.watch.record.positions.append([places[int(i)] for i in batch])
            yield batch

    def _zero_grad_module(self, original: Any, wrapper: Any, /, *args: Any, **kwargs: Any) -> Any:
        gradients_cleared(self.watch.engine_of(self.watch.modules.get(id(wrapper))))
        return original(wrapper, *args, **kwargs)


class _Hook:
    """What is called with a model's inputs and outputs; in a copy of the model it does nothing."""

    def __init__(self, call: Callable[..., None]) -> None:
        self.call = call

    def __call__(self, *given: Any) -> None:
        """What it was made of, called."""
        self.call(*given)

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (nullcontext(), "__exit__")


def _save(original: Any, /, *args: Any, **kwargs: Any) -> None:
    """Around ``torch.save``, which opens its file unheard."""
    file = kwargs.get("f", args[1] if len(args) > 1 else None)
    if isinstance(file, (str, os.PathLike)):
        sys.audit("open", os.fspath(file), "wb", os.O_WRONLY)
    original(*args, **kwargs)


def low_precision(outputs: list[torch.Tensor]) -> str:
    """The dtype that autocast or the model calculates in where it is less than float32; else empty."""
    low = (torch.bfloat16, torch.float16)
    used = [t.dtype for t in outputs if t.dtype in low]
    for device in ("cpu", "cuda"):
        if torch.is_autocast_enabled(device):
            used.append(torch.get_autocast_dtype(device))
    return str(used[0]).removeprefix("torch.") if used else ""
