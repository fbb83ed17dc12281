"""The private training runs that are alive in this process, and what has been seen of each."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from dpmigrate.runtime.run.graph import Forward, flatten
from dpmigrate.runtime.run.losses import Used
from dpmigrate.runtime.run.records import Backward, EngineRecord, LogicalStep, PhysicalBatch

LINEAR_OPTIMIZERS = ("SGD",)
"""Optimizers whose step is linear in the gradient, so that rounding stays rounding."""


@dataclass
class PrivateModule:
    """A wrapped model: Opacus's wrapper or hooks object, and the calls seen since the last use.

    ``random_state``: torch's as the last call began, kept where the call has to be repeated
    (:attr:`expanded`). ``trouble`` says why a call could not be watched.
    """

    wrapper: Any
    forwards: list[Forward] = field(default_factory=list)
    random_state: Tensor | None = None
    trouble: str = ""

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
    ``first_pass`` the output gradients of the last backward pass with the hooks on. ``flags``: the number
    of examples behind each signal of the memory manager, in order (None for another's signal); ``taken``
    counts those that steps took, ``delivered`` the batches that reached the script, ``behind`` by how many
    it was ahead of its steps at the last one.
    """

    optimizer: Any
    record: EngineRecord
    module: PrivateModule | None
    backwards: list[Backward] = field(default_factory=list)
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

    def __post_init__(self) -> None:
        self.params: list[nn.Parameter] = list(self.optimizer.params)
        """The parameters that this engine trains, in the optimizer's order."""

    @property
    def bounds(self) -> list[float]:
        """The max grad norms: one, or one a parameter where each is clipped by itself."""
        optimizer = self.optimizer
        return (
            [float(c) for c in optimizer.max_grad_norms]
            if self.record.per_layer
            else [float(optimizer.max_grad_norm)]
        )

    def look_for_late_parameters(self) -> None:
        """Note what was unfrozen since the optimizer was made; judged with the rest before the first step."""
        now = list(self.optimizer.params)
        if len(now) == len(self.params):
            return
        known = {id(p) for p in self.params}
        record, names = self.record, names_of(self.module, now)
        record.late = [n for p, n in zip(now, names, strict=True) if id(p) not in known] or record.late
        if not record.steps and not self.physical and not self.backwards:
            self.params = now
            record.names, record.sizes = names, [p.numel() for p in now]
            record.shapes = [tuple(p.shape) for p in now]

    @property
    def averages(self) -> bool:
        """Whether the loss is a mean over the batch (and per-example gradients are B times its parts)."""
        return getattr(self.optimizer, "loss_reduction", "mean") == "mean"

    def flat_parameters(self) -> Tensor:
        """All trained parameters as one float64 vector."""
        return flatten(self.params)


def generator_kind(generator: torch.Generator | None) -> str:
    """ "none", "bare" (never seeded: its stream is the same, public one everywhere) or "seeded"."""
    if generator is None:
        return "none"
    if not isinstance(generator, torch.Generator):
        return "other"
    fresh = torch.Generator(device=generator.device)
    return "bare" if generator.initial_seed() == fresh.initial_seed() else "seeded"


def names_of(module: PrivateModule | None, params: list[nn.Parameter]) -> list[str]:
    """The name of each parameter in the user's model; its number where it is not found."""
    known = {}
    if module is not None:
        known = {id(p): name for name, p in module.wrapper._module.named_parameters()}
    return [known.get(id(p), f"parameter {i}") for i, p in enumerate(params)]
