"""The oracle on the script's own graph: per-example gradients of whatever went backward.

The loss is a function of the private model's outputs. With g = dL/d(output), the number
``sum(output[i] * g[i])`` has the gradient that example i contributes to dL/d(parameter); times B
where the loss is a mean, it is the per-example gradient of DP-SGD. No knowledge of the criterion is
needed, the dropout masks are those of the script, and no Opacus hook takes part.
"""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dpmigrate.runtime.oracle import clipping_factor, gradients
from dpmigrate.runtime.run.records import BackwardPass
from dpmigrate.runtime.run.watching.alone import Alone, NotAloneError
from dpmigrate.runtime.run.watching.losses import Used, weighted

MOST_KEPT = 2**25
"""Numbers of per-example gradients that are kept at most (float64: 256 MB)."""

HELD = 4
"""Examples whose norms are held against the script's own graph where that is too slow for all."""


class NoOracle(Exception):  # noqa: N818 - an outcome with a reason, not a failure
    """The graph does not allow per-example gradients; the message says why."""


@dataclass
class ForwardCall:
    """One call of a private model in training mode: its output tensors and its batch size; ``alone``
    repeats it example by example."""

    outputs: list[Tensor]
    count: int
    alone: Alone | None = None


def depends_on(losses: Sequence[Tensor], seeds: Sequence[Tensor | None], params: Sequence[Tensor]) -> bool:
    """Whether any of the losses reaches any of the parameters."""
    grads = torch.autograd.grad(
        list(losses), list(params), _seeds(losses, seeds), retain_graph=True, allow_unused=True
    )
    return any(g is not None for g in grads)


def nodes_of(losses: Sequence[Tensor]) -> list[Any]:
    """Every node of the graph behind the losses, once."""
    nodes: list[Any] = [t.grad_fn for t in losses if t.grad_fn is not None]
    seen = set(nodes)
    for node in nodes:
        behind = {following for following, _ in node.next_functions if following is not None} - seen
        seen |= behind
        nodes += behind
    return nodes


def leaves(nodes: Sequence[Any]) -> list[Tensor]:
    """Where the gradients of a graph end: every tensor that a backward pass would leave one at."""
    return [node.variable for node in nodes if type(node).__name__ == "AccumulateGrad"]


def made_by(nodes: Sequence[Any]) -> int:
    """A checksum of the operations of a graph, whatever their order and numbers."""
    return zlib.crc32(" ".join(sorted(type(node).__name__ for node in nodes)).encode())


def output_gradients(
    losses: Sequence[Tensor], seeds: Sequence[Tensor | None], forwards: Sequence[ForwardCall]
) -> list[tuple[Tensor, Tensor, int]]:
    """(output, dL/d(output), batch dimension) for every output that the losses depend on.

    Raises NoOracle where an output has no dimension of the batch's size, or two calls of the model
    had batches of different sizes.
    """
    outputs = [(o, f.count) for f in forwards for o in f.outputs if o.requires_grad and o.dim() > 0]
    if not outputs:
        return []
    grads = torch.autograd.grad(
        list(losses), [o for o, _ in outputs], _seeds(losses, seeds), retain_graph=True, allow_unused=True
    )
    used = [(o, g, n) for (o, n), g in zip(outputs, grads, strict=True) if g is not None]
    if len(used) > 1:
        used = _apart(used)
    if len({n for _, _, n in used}) > 1:
        raise NoOracle("one loss joins batches of different sizes")
    return [(o, g, _batch_dimension(o, n)) for o, g, n in used]


def _apart(used: list[tuple[Tensor, Tensor, int]]) -> list[tuple[Tensor, Tensor, int]]:
    """The same outputs, each with the part of its gradient that reaches the losses through no other of them.

    A model that returns its loss beside the logits that it is made of gives both; what goes through the loss
    must not count again for the logits.
    """
    latest_first = sorted(used, key=lambda u: -u[0].grad_fn._sequence_nr() if u[0].grad_fn else 0)
    parts = {id(o): g for o, g, _ in used}
    for output, _, _ in latest_first:
        others = [o for o, _, _ in used if o is not output]
        if output.grad_fn is None or not bool(parts[id(output)].any()):
            continue
        through = torch.autograd.grad(
            [output], others, [parts[id(output)]], retain_graph=True, allow_unused=True
        )
        for other, gradient in zip(others, through, strict=True):
            if gradient is not None:
                parts[id(other)] = parts[id(other)] - gradient
    size = {id(o): float(g.norm()) for o, g, _ in used}
    return [(o, parts[id(o)], n) for o, _, n in used if float(parts[id(o)].norm()) > 1e-6 * size[id(o)]]


@dataclass(eq=False)
class Question:
    """A backward pass whose per-example norms and clipped sum are asked for.

    ``used`` comes from :func:`output_gradients`. ``bounds`` are the max grad norms: one for the whole
    gradient, or one a parameter (per-layer clipping). ``mean`` says that the loss averages over the batch;
    ``share`` ``[B]`` multiplies each example. ``keep_rows`` keeps all per-example gradients where they fit,
    so that they can be clipped again; ``keep_gradient`` keeps that of the losses themselves. ``alone`` gives
    the gradients faster, where the model lets it, and is believed where their sum is within ``tight`` of the
    batch's gradient. Elsewhere the graph gives them one by one; where that would take longer than ``budget``
    seconds, ``alone`` gives the norms and the graph the sum.
    """

    used: Used
    params: Sequence[Tensor]
    bounds: Sequence[float]
    mean: bool
    share: Tensor | None = None
    keep_rows: bool = False
    keep_gradient: bool = False
    alone: Alone | None = None
    tight: float = 0.0
    budget: float = math.inf

    def __post_init__(self) -> None:
        output, _, dimension = self.used[0]
        self.count = output.shape[dimension]
        self.scale = float(self.count) if self.mean else 1.0
        self.sizes = [p.numel() for p in self.params]

    def by_graph(self, index: int) -> list[Tensor]:
        """The gradient of one example, by parameter, from the script's own graph."""
        seeds = []
        for output, gradient, d in self.used:
            seed = torch.zeros_like(output)
            seed.narrow(d, index, 1).copy_(gradient.narrow(d, index, 1) * self.scale)
            seeds.append(seed)
        return gradients([o for o, _, _ in self.used], self.params, keep=True, seeds=seeds)

    def by_itself(self, index: int) -> list[Tensor]:
        """The same from the example alone. Raises NotAloneError."""
        if self.alone is None:
            raise NotAloneError
        return self.alone.gradient(self.used, self.scale, self.params, index)

    def weighted(self, params: Sequence[Tensor], weights: Tensor | None = None) -> Tensor:
        """The sum of all examples' gradients, times ``weights [B]``: one plain backward pass, ``[P]``."""
        seeds = [g for _, g, _ in self.used] if weights is None else weighted(self.used, weights)
        outputs = [o for o, _, _ in self.used]
        return flatten(gradients(outputs, params, keep=True, seeds=seeds)) * self.scale

    def share_of(self, index: int) -> float:
        """What multiplies one example."""
        return 1.0 if self.share is None else float(self.share[index])


def judge(losses: Sequence[Tensor], seeds: Sequence[Tensor | None], asked: Question) -> BackwardPass:
    """Per-example norms and the clipped sum for one backward pass."""
    began = time.perf_counter()
    through = asked.weighted(asked.params)
    pass_seconds = time.perf_counter() - began
    size = max(float(through.norm()), 1e-30)
    try:
        # The last example is the likeliest to differ, where a state is carried on.
        asked.by_itself(asked.count - 1)
        sums = _sums(asked, asked.by_itself)
        rounding = float((through - sums.raw).norm()) / size
        if rounding > asked.tight:
            if pass_seconds * asked.count < asked.budget:
                raise NotAloneError
            rounding = _hold_to_graph(asked, sums)
    except NotAloneError:
        sums = _sums(asked, asked.by_graph)
        rounding = float((through - sums.raw).norm()) / size
    gradient = flatten(gradients(list(losses), asked.params, keep=True, seeds=_seeds(losses, seeds)))
    # One example's NaN reaches every row: zero times NaN is NaN in the sums over the batch.
    broken = sum(_per_example(torch.isfinite(o * g).logical_not().double(), d) for o, g, d in asked.used)
    assert isinstance(broken, Tensor)
    return BackwardPass(
        count=asked.count,
        norms=sums.param_norms.norm(dim=0),
        param_norms=sums.param_norms,
        expected=sums.clipped,
        rows=sums.rows,
        broken=broken.nonzero().flatten().tolist(),
        share=asked.share,
        first=gradient if asked.keep_gradient else None,
        direct=float((gradient * asked.scale - through).norm())
        / max(size, float(gradient.norm()) * asked.scale),
        rounding=rounding,
    )


@dataclass
class _Sums:
    """``clipped`` and ``raw`` ``[P]`` are sums over the examples, ``param_norms`` ``[parameters, B]``."""

    clipped: Tensor
    raw: Tensor
    param_norms: Tensor
    rows: Tensor | None


def _sums(asked: Question, gradient_of: Callable[[int], list[Tensor]]) -> _Sums:
    """Add up the examples' gradients by parameter: a float64 row of a large model is slow to make."""
    count, size = asked.count, sum(asked.sizes)
    clipped = torch.zeros(size, dtype=torch.float64)
    keep = asked.keep_rows and count * size < MOST_KEPT
    sums = _Sums(
        clipped,
        torch.zeros_like(clipped),
        torch.zeros(len(asked.sizes), count, dtype=torch.float64),
        torch.zeros(count, size, dtype=torch.float64) if keep else None,
    )
    parts, raw_parts = torch.split(sums.clipped, asked.sizes), torch.split(sums.raw, asked.sizes)
    for i in range(count):
        grads = [g.reshape(-1) for g in gradient_of(i)]
        weight = asked.share_of(i)
        norms = torch.stack([torch.linalg.vector_norm(g, dtype=torch.float64) for g in grads]) * weight
        sums.param_norms[:, i] = norms
        factors = (_factors(norms.unsqueeze(1), asked.bounds) * weight).flatten().tolist()
        for part, raw_part, grad, factor in zip(parts, raw_parts, grads, factors, strict=True):
            part.add_(grad, alpha=factor)
            raw_part.add_(grad)
        if sums.rows is not None:
            sums.rows[i] = torch.cat(grads) * weight
    return sums


def _factors(param_norms: Tensor, bounds: Sequence[float]) -> Tensor:
    """Clipping factors ``[parameters, B]`` for norms of the same shape: one for all of an example's
    parameters where there is one bound, else one a parameter."""
    if len(bounds) == 1:
        return clipping_factor(param_norms.norm(dim=0), bounds[0]).expand_as(param_norms)
    return torch.stack([clipping_factor(n, c) for n, c in zip(param_norms, bounds, strict=True)])


def _hold_to_graph(asked: Question, sums: _Sums) -> float:
    """Take the clipped sum from the script's own graph; the rounding of the norms that weigh it.

    In a deep network an example alone rounds across the kinks of its ReLUs: its gradient moves by up to
    a hundredth, its norm by far less. One weighted pass over the graph needs the norms alone.
    """
    norms = sums.param_norms.norm(dim=0)
    weights = _factors(sums.param_norms, asked.bounds)
    if asked.share is not None:
        weights = weights * asked.share
    if len(asked.bounds) == 1:
        sums.clipped = asked.weighted(asked.params, weights[0])
    else:
        each = [asked.weighted([p], w) for p, w in zip(asked.params, weights, strict=True)]
        sums.clipped = torch.cat(each)
    worst = 0.0
    for i in sorted({k * (len(norms) - 1) // (HELD - 1) for k in range(HELD)}):
        exact = flatten(asked.by_graph(i)).norm() * asked.share_of(i)
        worst = max(worst, float((exact - norms[i]).abs() / exact.clamp_min(1e-30)))
    return worst


def flat_gradients(params: Sequence[Tensor]) -> Tensor:
    """``p.grad`` of all parameters as one float64 vector on the CPU; missing ones are zeros."""
    return flatten([p.grad if p.grad is not None else torch.zeros_like(p) for p in params])


def flatten(tensors: Sequence[Tensor]) -> Tensor:
    """One float64 vector on the CPU that shares no memory with the tensors."""
    if not tensors:
        return torch.zeros(0, dtype=torch.float64)
    return torch.cat([t.detach().reshape(-1).to("cpu", torch.float64) for t in tensors])


def _seeds(losses: Sequence[Tensor], seeds: Sequence[Tensor | None]) -> list[Tensor]:
    return [torch.ones_like(loss) if seed is None else seed for loss, seed in zip(losses, seeds, strict=True)]


def _per_example(value: Tensor, dimension: int) -> Tensor:
    moved = value.movedim(dimension, 0)
    return moved.reshape(moved.shape[0], -1).sum(1)


def _batch_dimension(output: Tensor, count: int) -> int:
    for dimension in range(min(2, output.dim())):
        if output.shape[dimension] == count:
            return dimension
    raise NoOracle(f"an output of shape {tuple(output.shape)} has no dimension of the batch's size {count}")
