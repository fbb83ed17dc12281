"""Silent faults planted into training scripts, and how each must be named: what the measurements found in
public code. Without its edit every script passes (:data:`TWINS`).
"""

from __future__ import annotations

from tests.verify import planted_loops, planted_losses
from tests.verify.planting import (
    ADAPTIVE,
    BEFORE_153,
    BY_HAND,
    BY_HAND_RIGHT,
    CLASSIFIER,
    LANGUAGE,
    OLD,
    SINCE_153,
    TRAINER,
    Plant,
)

PLANTS: tuple[Plant, ...] = (*planted_losses.PLANTS, *planted_loops.PLANTS)

TWINS: tuple[Plant, ...] = (
    Plant("0", "classifier", CLASSIFIER, (), SINCE_153),
    Plant("0", "trainer class", TRAINER, (), SINCE_153),
    Plant("0", "language model", LANGUAGE, (), ("1.6.0",)),
    Plant("0", "double_backward", OLD, (), ("1.5.2",)),
    Plant("0", "two passes by hand", BY_HAND, (BY_HAND_RIGHT,), BEFORE_153),
    Plant("0", "adaptive clipping", ADAPTIVE, (), SINCE_153),
    Plant(
        "y",
        "class weights",
        CLASSIFIER,
        (("nn.CrossEntropyLoss()", "nn.CrossEntropyLoss(weight=torch.tensor([1.0, 5.0, 0.2, 3.0]))"),),
        SINCE_153,
    ),
)
