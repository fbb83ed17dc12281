"""The clauses that checks put into ``detail``: which parameters, which examples, by how much."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

SHOWN = 5


def layer_errors(observed: dict[str, Tensor], expected: dict[str, Tensor]) -> dict[str, float]:
    """Relative L2 error of every parameter's part of the sum (over its own norm; 0 where both are zero)."""
    errors = {}
    for name in {**expected, **observed}:
        got, want = observed.get(name), expected.get(name)
        if got is None:
            got = torch.zeros_like(want if want is not None else torch.zeros(0))
        if want is None:
            want = torch.zeros_like(got)
        gap = float((got - want).norm())
        errors[name] = (
            gap / float(want.norm()) if float(want.norm()) > 0 else (0.0 if gap == 0 else float("inf"))
        )
    return errors


def worst_layers(errors: dict[str, float], limit: float) -> str:
    """The parameters that are off most, e.g. ``"l1.bias off by 0.92, l2.weight by 0.31"``."""
    bad = sorted(((e, n) for n, e in errors.items() if not e <= limit), key=lambda item: (-item[0], item[1]))
    if not bad:
        return ""
    text = ", ".join(f"{name} by {error:.2g}" for error, name in bad[:SHOWN])
    more = f" and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
    return f"off: {text}{more}"


def worst_examples(seen: Tensor, true: Tensor, scale: float, limit: float) -> str:
    """The examples whose norms are off most, e.g. ``"examples 3 (norm 1.9, true 0.4), 7 (...)"``."""
    errors = norm_errors(seen, true, scale)
    order = [int(i) for i in errors.argsort(descending=True) if not float(errors[i]) <= limit]
    if not order:
        return ""
    text = ", ".join(f"{i} (norm {float(seen[i]):.3g}, true {float(true[i]):.3g})" for i in order[:SHOWN])
    more = f" and {len(order) - SHOWN} more" if len(order) > SHOWN else ""
    return f"examples {text}{more}"


def norm_errors(seen: Tensor, true: Tensor, scale: float) -> Tensor:
    """Error of every norm relative to the true one, or to ``scale`` (C) where that is larger.

    An error far below C cannot change how the example is clipped.
    """
    return (seen - true).abs() / true.clamp_min(scale)


def numbers(indices: Sequence[int]) -> str:
    """Example numbers, shortened: ``"0, 3, 7 and 12 more"``."""
    text = ", ".join(str(i) for i in indices[:SHOWN])
    return text + (f" and {len(indices) - SHOWN} more" if len(indices) > SHOWN else "")


def physical(sizes: Sequence[int]) -> str:
    """``"one batch of 13"`` or ``"4 physical batches (4+3+3+3)"``."""
    if len(sizes) == 1:
        return f"one batch of {sizes[0]}"
    shown = "+".join(map(str, sizes)) if len(sizes) <= 8 else f"up to {max(sizes)}"
    return f"{len(sizes)} physical batches ({shown})"


def error_line(error: BaseException) -> str:
    """Type and first line of an exception, at most 200 characters."""
    first = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}"[:200].rstrip(": ")
