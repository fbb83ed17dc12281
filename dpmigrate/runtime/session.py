"""A training run of a model, criterion and batch that the caller hands over.

Everything goes the way that a training script goes: ``make_private`` (or the hand-made pair), the
real ``BatchMemoryManager``, the two backward passes as the release at hand spells them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
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
ZeroGradWay = Literal["default", "set-to-none"] | None
TrainStep = Callable[[nn.Module, Any, Any, Any], Any]
"""``train_step(model, optimizer, criterion, batch)``: one pass of the user's own loop body."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What :func:`check_clipping` may be told beside a model, a criterion and a batch.

    ``max_grad_norm`` None puts C between the two middle per-sample norms. ``physical_batches``: into how
    many physical batches the logical one is split; above one, through the real BatchMemoryManager, evenly
    and unevenly. ``loss(model, batch)`` gives one loss per example where the criterion's call does not fit.
    ``zero_grad`` is how the loop clears gradients at its top (None: not at all); ``train_step(model,
    optimizer, criterion, batch)`` replaces the whole loop body by the caller's own. ``built_by``: "engine"
    (``make_private``), "pair" (module and optimizer wrapped by hand) or "adaptive"
    (``PrivacyEngineAdaptiveClipping``, its bound held at C). ``steps`` logical steps are made of the batch;
    ``checks`` limits what is run, by the names of the contract; ``dtype`` casts model and batch.
    """

    max_grad_norm: float | None = None
    physical_batches: Sequence[int] = (1, 4)
    modes: Sequence[str] = ("hooks", "ghost")
    loss: LossFunction | None = None
    loss_reduction: str = "mean"
    zero_grad: ZeroGradWay = "default"
    train_step: TrainStep | None = None
    built_by: BuiltBy = "engine"
    noise_multiplier: float = 1.0
    noise_generator: torch.Generator | None = None
    seed: int = 0
    steps: int = 1
    checks: Collection[str] | None = None
    dtype: torch.dtype | None = None

    def __post_init__(self) -> None:
        if any(k < 1 for k in self.physical_batches) or not self.physical_batches:
            raise ValueError(f"physical_batches must be positive numbers, not {tuple(self.physical_batches)}")


@dataclass(frozen=True)
class Recipe:
    """How to set up and run the private training loop that is to be judged: ``mode`` is the
    ``grad_sample_mode``."""

    mode: str
    criterion: Callable[..., Any] | None
    how: Options = Options()

    @property
    def ghost(self) -> bool:
        """Whether the mode clips by two backward passes."""
        return self.mode.startswith("ghost")


@dataclass
class Session:
    """A wrapped copy of ``original`` with its DP optimizer, on which logical steps are made.

    Whatever Opacus raises about the model when it is wrapped comes through.
    """

    recipe: Recipe
    original: nn.Module
    expected_batch_size: int
    max_grad_norm: float
    noise_multiplier: float = 0.0
    noise_generator: torch.Generator | None = None
    lr: float = 1.0

    def __post_init__(self) -> None:
        module = copy_model(self.original)
        raw = torch.optim.SGD(module.parameters(), lr=self.lr)
        build = self._by_hand if self.recipe.how.built_by == "pair" else self._by_engine
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.model, self.optimizer, self.criterion = build(module, raw)

    def run(self, batch: Any, max_physical: int | None = None) -> None:
        """One logical step over ``batch``, in physical batches of at most ``max_physical`` examples."""
        loader: DataLoader[int] = DataLoader(
            range(batch_size(batch)),  # type: ignore[arg-type]
            batch_size=max(batch_size(batch), 1),
            collate_fn=lambda indices: take(batch, indices),
        )
        with warnings.catch_warnings(), self._physical(loader, max_physical) as parts:
            warnings.simplefilter("ignore")
            for part in parts:
                self._loop_body(part)

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

    def _loop_body(self, part: Any) -> None:
        if self.recipe.how.train_step is not None:
            self.recipe.how.train_step(self.model, self.optimizer, self.criterion, part)
            return
        if self.recipe.how.zero_grad is not None:
            self.optimizer.zero_grad(self.recipe.how.zero_grad == "set-to-none")
        self._backward(part)
        self.optimizer.step()

    def _backward(self, part: Any) -> None:
        recipe = self.recipe
        if recipe.how.loss is not None:
            losses = recipe.how.loss(self.model, part)
            if recipe.ghost:
                ghost_backward(self.model, self.optimizer, losses, recipe.how.loss_reduction)
            else:
                (losses.mean() if recipe.how.loss_reduction == "mean" else losses.sum()).backward()  # type: ignore[no-untyped-call]
            return
        inputs, target = inputs_and_target(part)
        value = self.criterion(self.model(*inputs), target)
        if recipe.ghost and isinstance(value, Tensor):
            ghost_backward(self.model, self.optimizer, value, recipe.how.loss_reduction)
        else:
            value.backward()

    def _by_engine(self, module: nn.Module, raw: torch.optim.Optimizer) -> tuple[Any, Any, Any]:
        from opacus import PrivacyEngine

        recipe, engine_class = self.recipe, PrivacyEngine
        options: dict[str, Any] = {}
        if recipe.how.built_by == "adaptive":
            from opacus.utils.adaptive_clipping.adaptive_clipping_utils import PrivacyEngineAdaptiveClipping

            engine_class = PrivacyEngineAdaptiveClipping
            # a bound that cannot move: what is left is clipping at max_grad_norm
            options = {"target_unclipped_quantile": 0.5}
            options |= dict.fromkeys(("min_clipbound", "max_clipbound"), self.max_grad_norm)
        if recipe.ghost and wraps_criterion():
            criterion = recipe.criterion if recipe.criterion is not None else nn.MSELoss()
            options["criterion"] = copy_criterion(criterion, recipe.how.loss_reduction)
        elif recipe.ghost:
            options["clipping"] = "ghost"
        size = self.expected_batch_size
        result = engine_class(accountant="rdp").make_private(
            module=module,
            optimizer=raw,
            data_loader=DataLoader(range(size), batch_size=size),  # type: ignore[arg-type]
            noise_multiplier=self.noise_multiplier,
            max_grad_norm=self.max_grad_norm,
            loss_reduction=recipe.how.loss_reduction,
            poisson_sampling=False,
            noise_generator=self.noise_generator,
            grad_sample_mode=recipe.mode,
            **options,
        )
        return result[0], result[1], result[2] if len(result) == 4 else self._criterion_of_loop()

    def _by_hand(self, module: nn.Module, raw: torch.optim.Optimizer) -> tuple[Any, Any, Any]:
        from opacus import optimizers
        from opacus.grad_sample import GradSampleModule
        from opacus.grad_sample import grad_sample_module_fast_gradient_clipping as fast

        recipe, reduction = self.recipe, self.recipe.how.loss_reduction
        if recipe.ghost:
            model = fast.GradSampleModuleFastGradientClipping(
                module, loss_reduction=reduction, max_grad_norm=self.max_grad_norm
            )
            optimizer_class = optimizers.DPOptimizerFastGradientClipping
        else:
            model = GradSampleModule(module, loss_reduction=reduction)
            optimizer_class = optimizers.DPOptimizer
        optimizer = optimizer_class(
            raw,
            noise_multiplier=self.noise_multiplier,
            max_grad_norm=self.max_grad_norm,
            expected_batch_size=self.expected_batch_size,
            loss_reduction=reduction,
            generator=self.noise_generator,
        )
        criterion = self._criterion_of_loop()
        if recipe.ghost and wraps_criterion() and criterion is not None:
            from opacus.utils.fast_gradient_clipping_utils import DPLossFastGradientClipping

            criterion = DPLossFastGradientClipping(
                model, optimizer, copy_criterion(recipe.criterion, reduction), reduction
            )
        return model, optimizer, criterion

    def _criterion_of_loop(self) -> Any:
        """The criterion that the loop body calls where Opacus wraps none: vector-valued for two passes."""
        recipe = self.recipe
        return copy_criterion(recipe.criterion, "none" if recipe.ghost else recipe.how.loss_reduction)


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
