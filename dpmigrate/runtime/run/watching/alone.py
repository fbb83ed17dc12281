"""Per-example gradients by sending each example through the model alone.

The loss enters only through dL/d(output), which the script's own graph gives; the model is then run on
one example at a time, which costs as much as one pass over the batch. The graph itself would cost one
backward pass over the whole batch for every example. Where a model draws random numbers (dropout) or
mixes examples, the outputs differ from those of the batch: then only the graph can tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dpmigrate.runtime.batches import map_tensors, tensors_in
from dpmigrate.runtime.oracle import gradients
from dpmigrate.runtime.run.watching.losses import Used

TOLERANCE = 1e-4
"""Largest difference of an example's outputs, relative to the largest output of the batch."""


class NotAloneError(Exception):
    """An example gives another output alone than in its batch, or cannot be sent alone."""


@dataclass(eq=False)
class Alone:
    """One call of a model, to be repeated example by example.

    ``inputs`` are its positional and keyword arguments, ``dimension`` their batch dimension, ``count``
    the examples; ``outputs`` are the tensors that the call returned, in order.
    """

    module: nn.Module
    inputs: tuple[Any, Mapping[str, Any]]
    outputs: Sequence[Tensor]
    count: int
    dimension: int

    def gradient(self, used: Used, scale: float, params: Sequence[Tensor], index: int) -> list[Tensor]:
        """The gradient of one example by parameter, on the CPU. Raises NotAloneError."""
        places = {id(o): i for i, o in enumerate(self.outputs)}
        if not all(id(o) in places for o, _, _ in used):
            raise NotAloneError("another call of the model takes part in the loss")
        example = _example(self.inputs, index, self.count, self.dimension)
        with self._as_it_was():
            tensors = self._outputs_for(example)
            return _gradient(index, used, scale, [tensors[places[id(o)]] for o, _, _ in used], params)

    def together(self, random_state: Tensor | None) -> list[Tensor]:
        """The outputs of the same call made again, in order. Raises NotAloneError where they differ.

        ``random_state`` is torch's at the beginning of the call. The repetition runs on the model's own
        parameters, also where Opacus gave it others in their place.
        """
        with self._as_it_was():
            if random_state is not None:
                torch.set_rng_state(random_state)
            tensors = self._outputs_for(self.inputs)
        for old, new in zip(self.outputs, tensors, strict=True):
            size = float(old.detach().abs().max()) if old.numel() else 0.0
            if old.shape != new.shape or not float((old - new).detach().norm()) <= TOLERANCE * size:
                raise NotAloneError("the model gives another output when it is called again")
        return tensors

    def _outputs_for(self, inputs: tuple[Any, Mapping[str, Any]]) -> list[Tensor]:
        """What the model returns for inputs, as many tensors as it did before. Raises NotAloneError."""
        args, kwargs = inputs
        try:
            tensors = [t for t in tensors_in(self.module(*args, **kwargs)) if t.requires_grad]
        except Exception as error:
            raise NotAloneError(str(error)) from error
        if len(tensors) != len(self.outputs):
            raise NotAloneError("another number of outputs")
        return tensors

    @contextmanager
    def _as_it_was(self) -> Iterator[None]:
        """Leave the random state, the model's buffers and whatever its modules remember as they were.

        Copies stand in for the buffers, which batch normalisation needs untouched to go backward.
        """
        remembered = [(m, dict(m.__dict__), dict(m._buffers)) for m in self.module.modules()]
        devices = sorted({p.device.index or 0 for p in self.module.parameters() if p.is_cuda})
        try:
            for module, _, buffers in remembered:
                copies = {name: b.detach().clone() for name, b in buffers.items() if b is not None}
                module._buffers.update(copies)
            with torch.random.fork_rng(devices=devices), torch.enable_grad():
                yield
        finally:
            for module, attributes, buffers in remembered:
                module.__dict__.clear()
                module.__dict__.update(attributes)
                module._buffers.clear()
                module._buffers.update(buffers)


def _gradient(
    index: int, used: Used, scale: float, outputs: Sequence[Tensor], params: Sequence[Tensor]
) -> list[Tensor]:
    seeds = []
    for (whole, gradient, d), output in zip(used, outputs, strict=True):
        expected = whole.detach().narrow(d, index, 1)
        size = float(whole.detach().abs().max())
        if (
            output.shape != expected.shape
            or not float((output.detach() - expected).abs().max()) <= TOLERANCE * size
        ):
            raise NotAloneError("an example's output depends on its batch, or on chance")
        seeds.append(gradient.narrow(d, index, 1) * scale)
    return gradients(list(outputs), params, keep=False, seeds=seeds)


def _example(inputs: Any, index: int, count: int, dimension: int) -> Any:
    """One example of nested arguments: every tensor is cut along the batch dimension."""

    def cut(t: Tensor) -> Tensor:
        if t.dim() <= dimension or t.shape[dimension] != count:
            raise NotAloneError("an argument has no dimension of the batch's size")
        return t.detach().narrow(dimension, index, 1)

    return map_tensors(inputs, cut)
