"""Records as a run of a script leaves them, made by hand: two examples of norms 1 and 3, clipped at 2."""

from __future__ import annotations

from typing import Any

import torch

from dpmigrate.runtime.run.records import BackwardPass, EngineRecord, LogicalStep, PhysicalBatch

LIMIT = 1e-5
"""Of a small model in float32."""


def vector(*numbers: float) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


SUM = vector(3.0, 0.0, 4.0, 0.0)


def passed_back(**changed: Any) -> BackwardPass:
    """A backward pass of two examples, norms 1 and 3, that the oracle has judged right."""
    fields: dict[str, Any] = {
        "count": 2,
        "norms": vector(1.0, 3.0),
        "ghost_norms": vector(1.0, 3.0),
        "expected": SUM,
        "coefficient": True,
    }
    return BackwardPass(**(fields | changed))


def step(value: torch.Tensor | None = SUM, *batches: PhysicalBatch, **changed: Any) -> LogicalStep:
    physical = list(batches) or [PhysicalBatch([passed_back()], received=value)]
    fields: dict[str, Any] = {"max_grad_norm": 2.0, "batch_digest": "a", "handed": value, "scale": 1.0}
    return LogicalStep(physical, value, **(fields | changed))


def engine(*steps: LogicalStep, **changed: Any) -> EngineRecord:
    fields: dict[str, Any] = {"path": "train.py", "line": 7, "mode": "ghost", "manual": False}
    fields |= {"generator": "none", "names": ["weight", "bias"], "sizes": [3, 1], "shapes": [(3,), (1,)]}
    fields |= {"dtype": "float32", "optimizer": "DPOptimizer", "linear_optimizer": False, "wrapped_api": True}
    return EngineRecord(steps=list(steps), **(fields | changed))


def off_by(error: float) -> torch.Tensor:
    """The sum, wrong by so much of its size."""
    return SUM * (1 + error)
