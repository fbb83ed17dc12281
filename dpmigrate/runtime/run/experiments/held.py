"""What a loop draws at random, held while one example comes or goes.

An attack compares a batch with and without an example. Where the loop draws numbers of its own (noise on the
inputs, a generator's latent vectors), one row more shifts what all later rows get. Held, a row's numbers
depend on the call and the row alone: the batches differ by the example, and by nothing that chance did. An
attacker who knows these numbers is the stronger one, and differential privacy promises as much against it.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from dpmigrate.runtime.run.watching.patching import wrap_method

_OF_A_SIZE = frozenset({"rand", "randn", "randint", "normal"})
_LIKE = frozenset({"rand_like", "randn_like", "randint_like", "bernoulli", "poisson", "gumbel_softmax"})
_IN_PLACE = frozenset(
    {"bernoulli_", "cauchy_", "exponential_", "geometric_", "log_normal_", "normal_", "random_", "uniform_"}
)
_WHOLE = frozenset({"multinomial", "randperm"})

MOST_ROWS = 4096
"""Larger draws are made at once: they are no example's."""


class HeldDraws(TorchFunctionMode):
    """Every draw of torch gets its numbers by the call's number, and by the row where it has rows.

    ``batch``: how many examples the rows of a batch are (its dimension is looked for by this size);
    ``permuted``: something was drawn that one row more changes for all, a permutation.
    """

    def __init__(self) -> None:
        super().__init__()
        self.batch = 0
        self.calls = 0
        self.permuted = False

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name not in _OF_A_SIZE | _LIKE | _IN_PLACE | _WHOLE or "out" in kwargs:
            return func(*args, **kwargs)
        self.calls += 1
        shape = _shape(name, args, kwargs)
        self.permuted |= name in _WHOLE
        dimension = next((d for d, size in enumerate(shape) if size == self.batch), 0)
        if name in _WHOLE or not shape or not 1 <= shape[dimension] <= MOST_ROWS:
            return self._seeded(0, func, args, kwargs)
        rows = shape[dimension]
        parts = []
        for row in range(rows):
            whole = _is_size(args, shape)
            cut = (
                _row(args, row, dimension, shape) if whole else [_row(a, row, dimension, shape) for a in args]
            )
            named = {key: _row(value, row, dimension, shape) for key, value in kwargs.items()}
            parts.append(self._seeded(1 + row, func, cut, named))
        return args[0] if name in _IN_PLACE else torch.cat(parts, dimension)

    def _seeded(self, row: int, func: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        generator = kwargs.get("generator") or torch.default_generator
        state = generator.get_state()
        generator.manual_seed(zlib.crc32(f"{self.calls} {row}".encode()))
        try:
            return func(*args, **kwargs)
        finally:
            generator.set_state(state)


class HeldBounds:
    """The clipping norms and noise multipliers that ghost mode's adaptive clipping chooses while it goes
    backward, in one step: each batch is clipped at those of the step itself.

    They are chosen by a noisy count, which is published. ``chosen`` are those of the step at hand;
    ``given`` are handed out in a probe instead, in the same order.
    """

    def __init__(self) -> None:
        self.chosen: list[tuple[float, float]] = []
        self.given: list[tuple[float, float]] | None = None

    def install(self) -> None:
        """Stand around the choice, in releases that have it."""
        module = sys.modules.get("opacus.utils.adaptive_clipping.adaptive_clipping_utils")
        loss = getattr(module, "DPTensorFastGradientAdaptiveClipping", None)
        if loss is not None:
            wrap_method(loss, "_update_clip_and_noise", self._choose)

    def _choose(self, original: Any, loss: Any, /, *args: Any, **kwargs: Any) -> Any:
        if self.given:
            return self.given.pop(0)
        self.chosen.append(original(loss, *args, **kwargs))
        return self.chosen[-1]


def _shape(name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[int, ...]:
    """The shape of what is drawn; empty where it has none, or is not understood."""
    size = kwargs.get("size", next((a for a in args if isinstance(a, (tuple, list))), None))
    if size is not None:
        return tuple(int(n) for n in size)
    if name in ("rand", "randn"):
        return tuple(a for a in args if isinstance(a, int))
    return next((tuple(a.shape) for a in (*args, *kwargs.values()) if isinstance(a, Tensor)), ())


def _row(value: Any, row: int, dimension: int, shape: tuple[int, ...]) -> Any:
    """One row of an argument: of tensors, of sizes in a row, and of a size."""
    if isinstance(value, Tensor):
        cut = value.dim() > dimension and value.shape[dimension] == shape[dimension]
        return value.narrow(dimension, row, 1) if cut else value
    if _is_size(value, shape):
        return [*shape[:dimension], 1, *shape[dimension + 1 :]]
    return value


def _is_size(value: Any, shape: tuple[int, ...]) -> bool:
    return (
        isinstance(value, (tuple, list)) and all(isinstance(n, int) for n in value) and tuple(value) == shape
    )
