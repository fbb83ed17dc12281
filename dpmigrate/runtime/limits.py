"""How far a right clipped sum may be from the oracle's: rounding, and nothing but rounding.

True faults measure a hundredth and more. The plain limits hold for small models. In float32, Opacus
takes norms over all entries of a layer (hooks measure 3.6e-5 on a Linear of a million weights), and in
deep networks a rounding error moves units across the kink of a ReLU: there plain autograd differs from
itself, between an example alone and in its batch, by as much as Opacus differs from plain autograd
(4.6e-5 on a residual network of a million parameters). Both are allowed for, and the limit is printed.
"""

from __future__ import annotations

PARITY_LIMITS = {"float32": 1e-5, "float64": 1e-12}
"""Relative L2 distance, by dtype, for models of up to :data:`SMALL` parameters."""

LOW_PRECISION = 2e-2
"""The limit for half precision, whose rounding is some 4e-3."""

SMALL = 25_000

TIMES_ROUNDING = 4.0
"""The limit is at least this many times the rounding that plain autograd shows on the batch at hand."""

MOST = 1e-2
"""No limit goes beyond what a fault measures at least."""


def parity_limit(dtype: str, parameters: int, rounding: float = 0.0) -> float:
    """The limit for a model with so many trainable parameters.

    ``rounding`` is the relative L2 distance between the gradient of a batch and the sum of its
    examples' gradients, both by plain autograd.
    """
    limit = PARITY_LIMITS.get(dtype, LOW_PRECISION)
    if dtype == "float32":
        limit *= max(1.0, (parameters / SMALL) ** 0.5)
    return max(limit, min(TIMES_ROUNDING * rounding, MOST))
