"""What a recorded run did beside the clipped sum: what fed it, what was accounted, which steps were private.

Each figure is a number that is 0 (or at most its limit in ``LIMITS``) where the code is right. The recorder
(``tests/fixtures_recorder.py``) calls the ``saw_*`` methods; :meth:`Figures.account` gives the figures.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.utils.data import SubsetRandomSampler

KINDS = {
    "sampling": ("batches_not_drawn", "records_outside", "records_repeated"),
    "epsilon": (
        "unaccounted_steps",
        "delta_times_records",
        "epsilon_over_target",
        "epsilon_over_printed",
        "noise_told_over_asked",
        "drawn_over_accounted",
    ),
    "step": (
        "steps_without_noise",
        "noise_only_steps",
        "repeated_noise",
        "flags_left",
        "ignored_gradient",
        "steps_apart",
    ),
}
"""The figures that show a harm of each kind."""

LIMITS = {
    "delta_times_records": 1.0,
    "ignored_gradient": 1e-5,
    "epsilon_over_target": 1.0,
    "epsilon_over_printed": 1.001,
    "noise_told_over_asked": 1.0,
    "drawn_over_accounted": 1.2,
}
"""The largest value of a figure in right code, where that is not 0."""


class Figures:
    """Counts of one run of a script."""

    def __init__(self) -> None:
        self.batches_not_drawn = 0
        self.steps_without_noise = 0
        self.noise_only_steps = 0
        self.examples = 0
        self.steps_of: dict[int, int] = {}
        self.delta_times_records = 0.0
        self.ignored_gradient = 0.0
        self.steps_apart = 0
        self.noise: list[str] = []
        self.engines: list[Any] = []
        self.optimizers: dict[int, Any] = {}
        self.records = 0
        self.largest_epsilon = 0.0
        self._dataset = 0
        self._datasets_of: dict[int, int] = {}
        self._noise_asked: dict[int, float] = {}
        self._target: tuple[float, float] | None = None
        self._outside: set[int] = set()
        self._datasets: list[Any] = []
        self._allowed: dict[int, frozenset[int]] = {}
        self._inside: list[Any] = []
        self._noisy = False

    def saw_training(self, loader: Any) -> None:
        """A private model ran forward, with gradients, on a batch of this loader (None: of no loader)."""
        self.batches_not_drawn += not _drawn_by_poisson(loader)
        self._dataset = id(getattr(loader, "dataset", None))

    def saw_fetch(self, dataset: Any, positions: Any) -> None:
        """Records of a dataset are fetched for a batch."""
        allowed = self._allowed.get(id(dataset))
        if allowed is not None and isinstance(positions, list):
            self._outside.update(set(positions) - allowed)

    def saw_make_private(self, engine: Any, loader: Any, noise_multiplier: float | None = None) -> None:
        """An engine was given a loader; the records outside a subset sampler are not to be trained on."""
        if noise_multiplier is not None:
            self._noise_asked[id(engine)] = max(noise_multiplier, self._noise_asked.get(id(engine), 0.0))
        self.records = len(loader.dataset)
        self._datasets.append(loader.dataset)
        self._datasets_of[id(engine)] = id(loader.dataset)
        if isinstance(loader.sampler, SubsetRandomSampler):
            self._allowed[id(loader.dataset)] = frozenset(int(i) for i in loader.sampler.indices)

    def saw_target(self, epsilon: float, delta: float) -> None:
        """An engine was asked to stay within an epsilon at a delta; the first that was asked for counts."""
        self.saw_delta(delta)
        self._target = self._target or (epsilon, delta)

    def saw_delta(self, delta: float) -> None:
        """An epsilon was asked for, or aimed at, for this delta."""
        self.delta_times_records = max(self.delta_times_records, delta * self.records)

    def saw_epsilon(self, epsilon: float) -> None:
        """An engine said what was spent."""
        self.largest_epsilon = max(self.largest_epsilon, epsilon)

    def saw_noise(self, digest: str) -> None:
        """Noise was drawn for one parameter."""
        self.noise.append(digest)

    def saw_sum(self, total: Tensor, seen: int) -> None:
        """Noise is about to be added to ``total``, the flat sum over ``seen`` examples."""
        self._noisy = True
        self.steps_of[self._dataset] = self.steps_of.get(self._dataset, 0) + 1
        self.examples += seen * (distributed.get_world_size() if distributed.is_initialized() else 1)
        self.noise_only_steps += bool(seen) and not bool(total.norm())

    def begins_step(self, optimizer: Any) -> None:
        """A private optimizer's ``step`` begins."""
        self.optimizers[id(optimizer)] = optimizer
        self._inside.append(optimizer)
        self._noisy = False

    def ends_step(self) -> None:
        """The ``step`` that began last ends."""
        self._inside.pop()

    def saw_change(self, optimizer: Any) -> None:
        """An optimizer of torch is about to change parameters; all processes get there together."""
        private = self._inside[-1] if self._inside else None
        self.steps_without_noise += private is None or not self._noisy or not private.noise_multiplier
        if distributed.is_initialized():
            own = torch.cat([p.grad.reshape(-1) for group in optimizer.param_groups for p in group["params"]])
            each = [torch.empty_like(own) for _ in range(distributed.get_world_size())]
            distributed.all_gather(each, own)
            self.steps_apart += not all(torch.equal(one, own) for one in each)

    def saw_gradients(self, optimizer: Any) -> None:
        """Hooks mode is about to clip: what ``p.grad`` has beyond the per-sample gradients is thrown away."""
        kept, thrown = 0.0, 0.0
        for p in optimizer.params:
            samples = getattr(p, "grad_sample", None)
            if p.grad is None or not isinstance(samples, Tensor) or not len(samples):
                continue
            total = samples.detach().double().sum(0)
            if optimizer.loss_reduction == "mean":
                total /= len(samples)
            kept += float(total.pow(2).sum())
            thrown += float((p.grad.detach().double() - total).pow(2).sum())
        if kept:
            self.ignored_gradient = max(self.ignored_gradient, (thrown / kept) ** 0.5)

    def account(self, printed: list[float]) -> dict[str, float]:
        """Every figure by name; ``printed`` are the numbers that the script printed."""
        queues = [len(getattr(o, "_step_skip_queue", ())) for o in self.optimizers.values()]
        return {
            "batches_not_drawn": self.batches_not_drawn,
            "records_outside": len(self._outside),
            "records_repeated": sum(map(_repeated, self._datasets)),
            "unaccounted_steps": self._unaccounted(),
            "delta_times_records": self.delta_times_records,
            "epsilon_over_target": self._over_target(),
            "epsilon_over_printed": self.largest_epsilon / max(printed) if any(printed) else 0.0,
            "noise_told_over_asked": self._noise_told(),
            "drawn_over_accounted": self._drawn(),
            "steps_without_noise": self.steps_without_noise,
            "noise_only_steps": self.noise_only_steps,
            "repeated_noise": len(self.noise) - len(set(self.noise)),
            "flags_left": max(queues, default=0),
            "ignored_gradient": self.ignored_gradient,
            "steps_apart": self.steps_apart,
        }

    def _unaccounted(self) -> int:
        """Private steps on some dataset that the engine which accounts for most of them does not have."""
        accounted: dict[int, int] = {}
        for engine in self.engines:
            dataset = self._datasets_of.get(id(engine), 0)
            steps = sum(steps for _, _, steps in engine.accountant.history)
            accounted[dataset] = max(accounted.get(dataset, 0), steps)
        return sum(steps - accounted.get(dataset, 0) for dataset, steps in self.steps_of.items())

    def _noise_told(self) -> float:
        """The largest noise multiplier that an accountant was told, over what ``make_private`` was given."""
        return max(
            (
                noise / self._noise_asked[id(engine)]
                for engine in self.engines
                if self._noise_asked.get(id(engine))
                for noise, _, _ in engine.accountant.history
            ),
            default=0.0,
        )

    def _drawn(self) -> float:
        """The examples in all noisy sums, over those that the accountants expect at their sampling rates."""
        history = [entry for engine in self.engines for entry in engine.accountant.history]
        expected = self.records * sum(rate * steps for _, rate, steps in history)
        return self.examples / expected if expected else 0.0

    def _over_target(self) -> float:
        """The epsilon spent, over the one that was asked for first; 0 where none was."""
        spent = [e for e in self.engines if e.accountant.history] if self._target else []
        return max(
            (e.get_epsilon(self._target[1]) / self._target[0] for e in spent if self._target), default=0.0
        )


def _repeated(dataset: Any) -> int:
    """How many of the first 4096 records of a map-style dataset of tensors are copies of others."""
    seen = []
    for position in range(min(len(dataset), 4096)):
        record = dataset[position]
        if not isinstance(record, tuple) or not all(isinstance(part, Tensor) for part in record):
            return 0
        seen.append(tuple(part.numpy().tobytes() for part in record))
    return len(seen) - len(set(seen))


def _drawn_by_poisson(loader: Any) -> bool:
    """Whether a loader draws each record by itself for each batch, as the accountants take for granted."""
    sampler = getattr(loader, "batch_sampler", None)
    if sampler is not None and type(sampler).__name__ == "BatchSplittingSampler":
        sampler = sampler.sampler
    return type(sampler).__name__ in (
        "UniformWithReplacementSampler",
        "DistributedUniformWithReplacementSampler",
    )


def watch_changes(figures: Figures) -> Any:
    """Tell ``figures`` of every step of an optimizer of torch; the handle ends it."""
    return register_optimizer_step_pre_hook(lambda optimizer, *_: figures.saw_change(optimizer))
