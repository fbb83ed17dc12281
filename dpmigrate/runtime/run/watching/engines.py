"""The private training runs that are alive in this process, and what has been seen of each."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from dpmigrate.runtime.run.records import BackwardPass, EngineRecord, LogicalStep, PhysicalBatch
from dpmigrate.runtime.run.watching.feed import Feed
from dpmigrate.runtime.run.watching.graph import ForwardCall, flatten
from dpmigrate.runtime.run.watching.losses import Used

LINEAR_OPTIMIZERS = ("SGD",)
"""Optimizers whose step is linear in the gradient, so that rounding stays rounding."""


@dataclass
class PrivateModule:
    """A wrapped model: Opacus's wrapper or hooks object, and the calls seen since the last use.

    ``random_state``: torch's as the last call began, kept where the call has to be repeated
    (:attr:`expanded`). ``trouble`` says why a call could not be watched; ``unhooked``: one that trains had
    the hooks off.
    """

    wrapper: Any
    forwards: list[ForwardCall] = field(default_factory=list)
    random_state: Tensor | None = None
    trouble: str = ""
    unhooked: bool = False

    @property
    def expanded(self) -> bool:
        """Whether the model runs on expanded weights, which hide the parameters from autograd."""
        return any(cls.__name__ == "GradSampleModuleExpandedWeights" for cls in type(self.wrapper).__mro__)

    @property
    def ghost(self) -> bool:
        """Whether this wrapper clips by norms alone."""
        return hasattr(self.wrapper, "get_norm_sample")

    @property
    def hooks_on(self) -> bool:
        """Whether Opacus's hooks would run in a backward pass now (always, where it has no switch)."""
        return bool(getattr(self.wrapper, "hooks_enabled", True))

    def parameters(self) -> list[nn.Parameter]:
        """All parameters of the user's model."""
        return list(self.wrapper._module.parameters())


@dataclass
class LiveEngine:
    """One DP optimizer with its module, what is pending for it, and the record that it fills.

    ``share`` is what the last wrapped loss should be multiplied by (see ``losses.padding_counted``);
    ``first_pass`` the output gradients of the last backward pass with the hooks on. ``flags``: the number of
    examples behind each signal of the memory manager, in order (None for another's signal); ``taken`` counts
    those that steps took, ``delivered`` the batches that reached the script, ``behind`` by how many it was
    ahead of its steps at the last one, ``ahead`` at the first of this epoch, ``waited``: steps since it was
    further. ``called``: examples that the model was called with since the last step, ``shape`` that of one.
    ``told``: what accountants heard before the first release, ``counted`` all that they did. ``weights`` are
    some of the parameters after the last step. ``beside``: parameters of other models, by id, that a loss has
    reached together with those of this one; ``losses``: how the losses of the steps that are judged were
    made; ``later``: the step at hand may come after them, and is judged as well.
    """

    optimizer: Any
    record: EngineRecord
    module: PrivateModule | None
    backwards: list[BackwardPass] = field(default_factory=list)
    physical: list[PhysicalBatch] = field(default_factory=list)
    current: LogicalStep | None = None
    noise: list[Tensor] = field(default_factory=list)
    open: PhysicalBatch | None = None
    depth: int = 0
    started: float = field(default_factory=time.perf_counter)
    digest: int = 0
    share: Tensor | None = None
    first_pass: Used = field(default_factory=list)
    flags: list[int | None] = field(default_factory=list)
    taken: int = 0
    delivered: int = 0
    behind: int = 0
    ahead: int | None = None
    waited: int = 0
    called: int = 0
    shape: list[int] = field(default_factory=list)
    feed: Feed = field(default_factory=Feed)
    accountant: Any = None
    told: list[tuple[int, float, float]] = field(default_factory=list)
    counted: Counter[tuple[int, float, float]] = field(default_factory=Counter)
    weights: Tensor | None = None
    loaded: int = 0
    beside: dict[int, nn.Parameter] = field(default_factory=dict)
    losses: set[int] = field(default_factory=set)
    later: bool = False

    def __post_init__(self) -> None:
        self.params: list[nn.Parameter] = list(self.optimizer.params)
        """The parameters that this engine trains, in the optimizer's order."""

    @property
    def bounds(self) -> list[float]:
        """The max grad norms: one, or one a parameter where each is clipped by itself."""
        each = self.record.per_layer
        return [float(c) for c in (self.optimizer.max_grad_norms if each else [self.optimizer.max_grad_norm])]

    def look_for_changes(self) -> None:
        """Note what began and ceased to train since the optimizer was made.

        What begins before the first backward pass is judged with the rest.
        """
        now = list(self.optimizer.params)
        record, ids_before = self.record, {id(p) for p in self.params}
        if {id(p) for p in now} == ids_before:
            return
        still = {id(p) for p in now}
        names = names_of(self.module, now)
        record.late = [n for p, n in zip(now, names, strict=True) if id(p) not in ids_before] or record.late
        record.frozen = [
            n for p, n in zip(self.params, record.names, strict=True) if id(p) not in still
        ] or record.frozen
        if not record.steps and not self.physical and not self.backwards:
            self.params = now
            record.names, record.sizes = names, [p.numel() for p in now]
            record.shapes = [tuple(p.shape) for p in now]

    def some_weights(self) -> Tensor:
        """Evenly spaced entries of the trained parameters, float64 on the CPU."""
        return some_entries(self.params)

    def some_gradients(self) -> Tensor:
        """The same entries of their gradients; zeros for what has none."""
        return some_entries([p.grad if p.grad is not None else torch.zeros_like(p) for p in self.params])

    def flat_parameters(self) -> Tensor:
        """All trained parameters as one float64 vector."""
        return flatten(self.params)


MOST_ENTRIES = 16_384
"""About how many numbers of a model's parameters are looked at where not all need to be."""


def some_entries(tensors: Sequence[Tensor]) -> Tensor:
    """Evenly spaced entries of tensors, at least 16 of each that has so many: float64 on the CPU."""
    total = sum(t.numel() for t in tensors)
    parts = []
    for t in tensors:
        keep = max(16, t.numel() * MOST_ENTRIES // max(total, 1))
        parts.append(t.detach().reshape(-1)[:: max(1, t.numel() // keep)])
    return flatten(parts)


def names_of(module: PrivateModule | None, params: list[nn.Parameter]) -> list[str]:
    """The name of each parameter in the user's model; its number where it is not found."""
    name_by_id = {}
    if module is not None:
        name_by_id = {id(p): name for name, p in module.wrapper._module.named_parameters()}
    return [name_by_id.get(id(p), f"parameter {i}") for i, p in enumerate(params)]
