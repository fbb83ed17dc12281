"""How the losses of a batch become one number, beside "mean", "sum" and "none"."""

from __future__ import annotations

WEIGHTED_MEAN = "weighted mean"
"""A mean in which each class has a weight: divided by the weights of the batch's own examples."""

COUNTED_MEAN = "mean of what counts"
"""A mean with an ``ignore_index``: divided by the number of the batch's targets that are not ignored."""

COUPLED_MEANS = (WEIGHTED_MEAN, COUNTED_MEAN)
"""Means whose divisor each example of the batch has a part in."""
