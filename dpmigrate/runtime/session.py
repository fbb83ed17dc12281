"""A training run under the caller's Opacus, kept alive so that many logical steps can be measured.

Everything goes the way that a training script goes: ``make_private`` (or the hand-made pair), the
real ``BatchMemoryManager``, the two backward passes as the release at hand spells them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from dpmigrate.runtime.batches import batch_size, inputs_and_target, take
from dpmigrate.runtime.features import wraps_criterion
from dpmigrate.runtime.model_copy import copy_criterion, copy_model
from dpmigrate.runtime.oracle import LossFunction

BuiltBy = Literal["engine", "pair", "adaptive"]
ZeroGrad = Literal["default", "set-to-none"] | None
TrainStep = Callable[[nn.Module, Any, Any, Any], Any]
"""``train_step(model, optimizer, criterion, batch)``: one pass of the user's own loop body."""


@dataclass(frozen=True)
class Recipe:
    """How to set up and run the private training loop that is to be judged.

    ``mode`` is the ``grad_sample_mode``; ``train_step`` replaces the whole loop body (``zero_grad``
    included); ``loss`` gives one loss per example where the criterion's call does not fit.
    """

    mode: str
    criterion: Callable[..., Any] | None
    loss: LossFunction | None = None
    loss_reduction: str = "mean"
    zero_grad: ZeroGrad = "default"
    built_by: BuiltBy = "engine"
    train_step: TrainStep | None = None

    @property
    def ghost(self) -> bool:
        """Whether the mode clips by two backward passes."""
        return self.mode.startswith("ghost")


@dataclass
class StepResult:
    """One logical step. ``clipped_sum`` is what received the noise, ``noise`` what was added to it
    (float64, by parameter name); ``norms`` are per example, ``[B]``, as Opacus computed them, and
    ``parameter_norms`` the same by parameter; all None or empty where the mode does not tell.
    """

    clipped_sum: dict[str, Tensor]
    noise: dict[str, Tensor]
    change: dict[str, Tensor]
    norms: Tensor | None
    parameter_norms: dict[str, Tensor]
    steps: int
    sizes: tuple[int, ...]


class Session:
    """A wrapped copy of the model with its DP optimizer; parameters return to their start after each run."""

    def __init__(
        self,
        recipe: Recipe,
        model: nn.Module,
        *,
        expected_batch_size: int,
        max_grad_norm: float,
        noise_multiplier: float = 0.0,
        noise_generator: torch.Generator | None = None,
    ) -> None:
        """Wrap a copy of ``model``; whatever Opacus raises about it comes through."""
        self.recipe = recipe
        self.module = copy_model(model)
        self.names = {id(p): name for name, p in self.module.named_parameters()}
        self.start = {name: p.detach().clone() for name, p in self.module.named_parameters()}
        self.expected_batch_size = expected_batch_size
        raw = torch.optim.SGD(self.module.parameters(), lr=0.0)
        build = _by_hand if recipe.built_by == "pair" else _by_engine
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.model, self.optimizer, self.criterion = build(
                recipe,
                self.module,
                raw,
                size=expected_batch_size,
                max_grad_norm=max_grad_norm,
                noise_multiplier=noise_multiplier,
                generator=noise_generator,
            )
        self._steps: list[tuple[dict[str, Tensor], dict[str, Tensor]]] = []
        self.optimizer.attach_step_hook(self._record)

    def set_max_grad_norm(self, max_grad_norm: float) -> None:
        """Clip at this bound, whatever ``make_private`` handed to the model."""
        if self.recipe.ghost:
            self.model.max_grad_norm = max_grad_norm
        self.optimizer.max_grad_norm = max_grad_norm

    def run(self, batch: Any, max_physical: int | None = None, *, lr: float = 0.0) -> StepResult:
        """One logical step over ``batch``, in physical batches of at most ``max_physical`` examples.

        ``lr`` is the learning rate of plain SGD for this step.
        """
        self._reset(lr)
        count = batch_size(batch)
        loader: DataLoader[int] = DataLoader(
            range(count),  # type: ignore[arg-type]
            batch_size=max(count, 1),
            collate_fn=lambda indices: take(batch, indices),
        )
        norms: list[dict[str, Tensor]] = []
        sizes: list[int] = []
        with warnings.catch_warnings(), self._physical(loader, max_physical) as parts:
            warnings.simplefilter("ignore")
            for part in parts:
                sizes.append(batch_size(part))
                norms.append(self._loop_body(part))
        change = {n: (p.detach() - self.start[n]).double().cpu() for n, p in self.module.named_parameters()}
        by_parameter = _concatenate(norms)
        whole = torch.stack(list(by_parameter.values())).norm(dim=0) if by_parameter else None
        clipped, noise = self._steps[-1] if self._steps else ({}, {})
        return StepResult(clipped, noise, change, whole, by_parameter, len(self._steps), tuple(sizes))

    def _reset(self, lr: float) -> None:
        self._steps.clear()
        with torch.no_grad():
            for name, p in self.module.named_parameters():
                p.copy_(self.start[name])
                p.grad = None
                for attribute in ("summed_grad", "grad_sample"):
                    if hasattr(p, attribute):
                        setattr(p, attribute, None)
        self.optimizer._step_skip_queue.clear()
        self.optimizer._is_last_step_skipped = False
        for group in self.optimizer.param_groups:
            group["lr"] = lr

    @contextmanager
    def _physical(self, loader: DataLoader[int], max_physical: int | None) -> Iterator[Any]:
        if max_physical is None:
            yield loader
            return
        from opacus.utils.batch_memory_manager import BatchMemoryManager

        with BatchMemoryManager(
            data_loader=loader, max_physical_batch_size=max_physical, optimizer=self.optimizer
        ) as parts:
            yield parts

    def _loop_body(self, part: Any) -> dict[str, Tensor]:
        if self.recipe.train_step is not None:
            seen: dict[str, Tensor] = {}
            self._look_at_norms_in_step(seen)
            try:
                self.recipe.train_step(self.model, self.optimizer, self.criterion, part)
            finally:
                del self.optimizer.pre_step
            return seen
        if self.recipe.zero_grad is not None:
            self.optimizer.zero_grad(self.recipe.zero_grad == "set-to-none")
        self._backward(part)
        norms = self._norms()
        self.optimizer.step()
        return norms

    def _look_at_norms_in_step(self, seen: dict[str, Tensor]) -> None:
        """Note the norms when the user's own loop body calls ``optimizer.step()``."""
        pre_step = type(self.optimizer).pre_step

        def look(*args: Any, **kwargs: Any) -> Any:
            seen.update(self._norms())
            return pre_step(self.optimizer, *args, **kwargs)

        self.optimizer.pre_step = look

    def _backward(self, part: Any) -> None:
        recipe = self.recipe
        if recipe.loss is not None:
            losses = recipe.loss(self.model, part)
            if recipe.ghost:
                ghost_backward(self.model, self.optimizer, losses, recipe.loss_reduction)
            else:
                (losses.mean() if recipe.loss_reduction == "mean" else losses.sum()).backward()  # type: ignore[no-untyped-call]
            return
        inputs, target = inputs_and_target(part)
        value = self.criterion(self.model(*inputs), target)
        if recipe.ghost and isinstance(value, Tensor):
            ghost_backward(self.model, self.optimizer, value, recipe.loss_reduction)
        else:
            value.backward()

    def _norms(self) -> dict[str, Tensor]:
        """Norms of the physical batch at hand, ``[b]`` by parameter, as Opacus has them now."""
        found: dict[str, Tensor] = {}
        for p in self.optimizer.params:
            norm = getattr(p, "_norm_sample", None) if self.recipe.ghost else _sample_norms(p)
            if norm is None:
                return {}
            found[self.names[id(p)]] = norm.detach().reshape(-1).double().cpu()
        return found

    def _record(self, optimizer: Any) -> None:
        """Step hook: note what received the noise, and the noise (undoing the scaling by B)."""
        scale = self.expected_batch_size if self.recipe.loss_reduction == "mean" else 1
        clipped, noise = {}, {}
        for p in optimizer.params:
            name = self.names[id(p)]
            clipped[name] = p.summed_grad.detach().double().cpu().clone()
            noise[name] = p.grad.detach().double().cpu() * scale - clipped[name]
        self._steps.append((clipped, noise))


def ghost_backward(model: Any, optimizer: Any, losses: Tensor, loss_reduction: str) -> None:
    """The two backward passes of ghost clipping, as the release at hand spells them."""
    try:
        from opacus.utils import fast_gradient_clipping_utils as utils
    except ImportError:
        utils = None
    if hasattr(utils, "DPTensorFastGradientClipping"):
        utils.DPTensorFastGradientClipping(model, optimizer, losses, loss_reduction).backward()
        return
    if hasattr(utils, "double_backward") and loss_reduction == "mean":
        utils.double_backward(model, optimizer, losses)
        return
    first = losses.mean() if loss_reduction == "mean" else losses.sum()
    first.backward(retain_graph=True)  # type: ignore[no-untyped-call]
    optimizer.zero_grad()
    factor = model.get_clipping_coef() if hasattr(model, "get_clipping_coef") else model.get_coeff()
    model.disable_hooks()
    try:
        (factor * losses).sum().backward()
    finally:
        model.enable_hooks()


def _by_engine(
    recipe: Recipe,
    module: nn.Module,
    raw: torch.optim.Optimizer,
    *,
    size: int,
    max_grad_norm: float,
    noise_multiplier: float,
    generator: torch.Generator | None,
) -> tuple[Any, Any, Any]:
    from opacus import PrivacyEngine

    engine_class: Any = PrivacyEngine
    options: dict[str, Any] = {}
    if recipe.built_by == "adaptive":
        from opacus.utils.adaptive_clipping.adaptive_clipping_utils import PrivacyEngineAdaptiveClipping

        engine_class = PrivacyEngineAdaptiveClipping
        # a bound that cannot move: what is left is clipping at max_grad_norm
        options.update(
            target_unclipped_quantile=0.5, min_clipbound=max_grad_norm, max_clipbound=max_grad_norm
        )
    if recipe.ghost and wraps_criterion():
        options["criterion"] = copy_criterion(
            recipe.criterion if recipe.criterion is not None else nn.MSELoss(), recipe.loss_reduction
        )
    elif recipe.ghost:
        options["clipping"] = "ghost"
    result = engine_class(accountant="rdp").make_private(
        module=module,
        optimizer=raw,
        data_loader=DataLoader(range(size), batch_size=size),  # type: ignore[arg-type]
        noise_multiplier=noise_multiplier,
        max_grad_norm=max_grad_norm,
        loss_reduction=recipe.loss_reduction,
        poisson_sampling=False,
        noise_generator=generator,
        grad_sample_mode=recipe.mode,
        **options,
    )
    criterion = result[2] if len(result) == 4 else _criterion_of_loop(recipe)
    return result[0], result[1], criterion


def _by_hand(
    recipe: Recipe,
    module: nn.Module,
    raw: torch.optim.Optimizer,
    *,
    size: int,
    max_grad_norm: float,
    noise_multiplier: float,
    generator: torch.Generator | None,
) -> tuple[Any, Any, Any]:
    from opacus import optimizers
    from opacus.grad_sample import GradSampleModule
    from opacus.grad_sample import grad_sample_module_fast_gradient_clipping as fast

    reduction = recipe.loss_reduction
    if recipe.ghost:
        model = fast.GradSampleModuleFastGradientClipping(
            module, loss_reduction=reduction, max_grad_norm=max_grad_norm
        )
        optimizer_class = optimizers.DPOptimizerFastGradientClipping
    else:
        model = GradSampleModule(module, loss_reduction=reduction)
        optimizer_class = optimizers.DPOptimizer
    optimizer = optimizer_class(
        raw,
        noise_multiplier=noise_multiplier,
        max_grad_norm=max_grad_norm,
        expected_batch_size=size,
        loss_reduction=reduction,
        generator=generator,
    )
    criterion = _criterion_of_loop(recipe)
    if recipe.ghost and wraps_criterion() and criterion is not None:
        from opacus.utils.fast_gradient_clipping_utils import DPLossFastGradientClipping

        criterion = DPLossFastGradientClipping(
            model, optimizer, copy_criterion(recipe.criterion, reduction), reduction
        )
    return model, optimizer, criterion


def _criterion_of_loop(recipe: Recipe) -> Any:
    """The criterion that the loop body calls where Opacus wraps none: vector-valued for two passes."""
    return copy_criterion(recipe.criterion, "none" if recipe.ghost else recipe.loss_reduction)


def _sample_norms(p: Tensor) -> Tensor | None:
    sample = getattr(p, "grad_sample", None)
    if not isinstance(sample, Tensor):
        return None
    norms: Tensor = sample.reshape(len(sample), -1).norm(2, dim=-1)
    return norms


def _concatenate(parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Norms of all physical batches in order; empty where some batch has none."""
    if not parts or any(set(part) != set(parts[0]) for part in parts):
        return {}
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
