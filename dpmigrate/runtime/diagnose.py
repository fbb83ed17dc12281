"""Name the fault behind a wrong clipped sum, from tensors alone.

The sum that a run produced is compared with what each known fault would make of the same per-example
gradients: counted by physical batch, clipped at another bound, not clipped at all, scaled, cleared,
or holding something that is no example's gradient. What fits to one part in a thousand is named;
true faults measure a hundredth and more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dpmigrate.runtime.oracle import clipping_factor

FIT = 1e-3
"""Relative L2 distance below which a fault explains an observed sum."""

_MOST_ENTRIES = 50_000_000


@dataclass(frozen=True)
class Diagnosis:
    """A recognised fault: its rule id (None where there is no advisory) and one clause on what happens."""

    rule: str | None
    text: str


def diagnose_losses(shape: Sequence[int], batch_size: int) -> Diagnosis | None:
    """Judge the shape of the losses that go into the two backward passes; None where it is ``(B,)``."""
    dims = tuple(shape)
    if dims == (batch_size,):
        return None
    if not dims:
        return Diagnosis(
            "DPM104",
            "the criterion returns one value for the whole batch: it does not honour reduction='none'",
        )
    return Diagnosis(
        "DPM105", f"the losses have shape {dims} where one per example, ({batch_size},), is needed"
    )


def diagnose(
    observed: Tensor,
    rows: Tensor,
    max_grad_norm: float,
    *,
    losses_shape: Sequence[int] | None = None,
    sizes: Sequence[int] | None = None,
    norms_seen: Tensor | None = None,
    fit: float = FIT,
) -> Diagnosis | None:
    """What happened to a clipped sum, or None where it is right.

    ``observed`` is the sum that receives the noise (or ``p.grad`` after ``backward()``), flat ``[P]``;
    ``rows`` the per-example gradients ``[B, P]`` of the oracle, B at least 1; ``losses_shape`` the
    shape of the loss tensor that was back-propagated, where known; ``sizes`` the physical batches in
    order; ``norms_seen`` the per-sample norms ``[B]`` that the run computed itself.
    """
    norms = torch.stack([row.detach().double().cpu().norm() for row in rows])
    observed, rows = _thinned(observed, rows)
    factors = clipping_factor(norms, max_grad_norm)
    right = factors @ rows
    if not bool(torch.isfinite(observed).all()):
        return Diagnosis(None, "the sum holds NaN or infinity")
    if _distance(observed, right) <= fit:
        return None
    shape_fault = diagnose_losses(losses_shape, rows.shape[0]) if losses_shape is not None else None
    if shape_fault is not None:
        return shape_fault
    if observed.norm() <= 1e-6 * right.norm():
        return Diagnosis(None, "the sum is zero: the gradients were cleared between backward and step")
    return (
        _wrong_norms(observed, rows, norms, norms_seen, max_grad_norm, fit)
        or _by_physical_batch(observed, factors.unsqueeze(1) * rows, sizes, fit)
        or _both(observed, rows, norms, norms_seen, max_grad_norm, sizes, fit)
        or _scaled(observed, right, fit)
        or _other_bound(observed, rows, norms, max_grad_norm, fit)
        or _unclipped(observed, rows, factors, fit)
        or _outside(observed, rows, fit)
        or _reweighted(observed, rows, factors, fit)
        or Diagnosis(None, "the sum fits none of the known faults")
    )


def _thinned(observed: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Both in float64, with evenly spaced coordinates only where there are very many."""
    stride = max(1, -(-rows.numel() // _MOST_ENTRIES))
    return observed.detach().double().cpu()[::stride], rows.detach().double().cpu()[:, ::stride]


def _distance(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm() / b.norm().clamp_min(1e-300))


def _solve(columns: Tensor, observed: Tensor) -> tuple[Tensor, float]:
    """Least-squares weights of ``columns [n, P]`` for ``observed [P]``, and the relative residual."""
    # gelsd copes with examples whose gradient is zero, which the default driver does not
    weights = torch.linalg.lstsq(columns.T, observed.unsqueeze(1), driver="gelsd").solution[:, 0]
    return weights, float((weights @ columns - observed).norm() / observed.norm().clamp_min(1e-300))


def _by_physical_batch(
    observed: Tensor, clipped: Tensor, sizes: Sequence[int] | None, fit: float
) -> Diagnosis | None:
    if sizes is None or len(sizes) < 2 or sum(sizes) != clipped.shape[0]:
        return None
    parts = torch.stack([part.sum(dim=0) for part in torch.split(clipped, list(sizes))])
    if parts.shape[0] >= parts.shape[1]:
        return None
    weights, residual = _solve(parts, observed)
    if residual > fit or (weights - weights.mean()).abs().max() < 0.01:
        return None
    counted = ", ".join(f"{w:.2f}".replace("-0.00", "0.00") for w in weights.tolist())
    text = f"the {len(sizes)} physical batches count {counted} times"
    lost = bool(weights[:-1].abs().max() < 0.01)
    if lost and abs(float(weights[-1]) - 2.0) < 0.02:
        return Diagnosis("DPM101", f"{text}: accumulate() keeps p.grad itself, which zero_grad() clears")
    if lost:
        return Diagnosis("DPM106", f"{text}: each backward pass throws the earlier ones away")
    if (weights - weights.round()).abs().max() < 0.01:
        return Diagnosis("DPM101", f"{text}: the running sum shares its memory with p.grad")
    return None


def _both(
    observed: Tensor,
    rows: Tensor,
    norms: Tensor,
    seen: Tensor | None,
    max_grad_norm: float,
    sizes: Sequence[int] | None,
    fit: float,
) -> Diagnosis | None:
    """Wrong norms, and physical batches miscounted on top of them."""
    if seen is None or seen.shape != norms.shape or not bool(torch.isfinite(seen).all()):
        return None
    clipped = clipping_factor(seen.double().cpu(), max_grad_norm).unsqueeze(1) * rows
    found = _by_physical_batch(observed, clipped, sizes, fit)
    return None if found is None else Diagnosis(found.rule, f"{found.text}; {_norm_text(seen, norms)}")


def _scaled(observed: Tensor, right: Tensor, fit: float) -> Diagnosis | None:
    scale = float(observed @ right / right.square().sum().clamp_min(1e-300))
    if scale == 0 or _distance(observed / scale, right) > fit:
        return None
    return Diagnosis(
        None,
        f"the clipped sum is scaled by {scale:.3g} "
        "(gradients changed between backward and step, a reduction that does not match loss_reduction, "
        "or losses by position instead of by sequence)",
    )


def _other_bound(
    observed: Tensor, rows: Tensor, norms: Tensor, max_grad_norm: float, fit: float
) -> Diagnosis | None:
    """Clipped at 1 where another bound was asked for (told apart from no clipping by what 1 clips)."""
    factors = clipping_factor(norms, 1.0)
    if abs(max_grad_norm - 1.0) < 1e-3 or float(factors.min()) > 0.99:
        return None
    if _distance(observed, factors @ rows) > fit:
        return None
    return Diagnosis("DPM102", f"examples are clipped at 1 instead of max_grad_norm {max_grad_norm:.4g}")


def _unclipped(observed: Tensor, rows: Tensor, factors: Tensor, fit: float) -> Diagnosis | None:
    whole = rows.sum(dim=0)
    scale = float(observed @ whole / whole.square().sum().clamp_min(1e-300))
    if scale == 0 or _distance(observed / scale, whole) > fit or float(factors.min()) > 0.99:
        return None
    return Diagnosis(
        "DPM103",
        f"no example is clipped: the sum is {scale:.3g} times the sum of the raw gradients "
        "(the loss that went backward was not made by the returned criterion)",
    )


def _wrong_norms(
    observed: Tensor,
    rows: Tensor,
    norms: Tensor,
    seen: Tensor | None,
    max_grad_norm: float,
    fit: float,
) -> Diagnosis | None:
    if seen is None or seen.shape != norms.shape or not bool(torch.isfinite(seen).all()):
        return None
    if _distance(observed, clipping_factor(seen.double().cpu(), max_grad_norm) @ rows) > fit:
        return None
    return Diagnosis(None, _norm_text(seen, norms))


def _norm_text(seen: Tensor, norms: Tensor) -> str:
    ratio = seen.double().cpu() / norms.clamp_min(1e-30)
    return (
        f"the per-sample gradient norms are wrong: {float(ratio.min()):.3g} to {float(ratio.max()):.3g} "
        "times the true ones"
    )


def _outside(observed: Tensor, rows: Tensor, fit: float) -> Diagnosis | None:
    if rows.shape[1] < 2 * rows.shape[0]:
        return None
    _, residual = _solve(rows, observed)
    if residual <= max(10 * fit, 1e-2):
        return None
    return Diagnosis(
        "DPM107",
        f"{residual:.0%} of the sum is no example's gradient: a term was added to the loss "
        "(a penalty on the parameters, say) and enters unclipped",
    )


def _reweighted(observed: Tensor, rows: Tensor, factors: Tensor, fit: float) -> Diagnosis | None:
    if rows.shape[1] < rows.shape[0]:
        return None
    weights, residual = _solve(rows, observed)
    if residual > fit:
        return None
    lost = weights.abs() < 0.01 * factors
    if bool(lost.any()) and bool(((weights / factors)[~lost] - 1).abs().lt(0.01).all()):
        return Diagnosis(
            "DPM106",
            f"{int(lost.sum())} of {lost.numel()} examples are missing from the sum: "
            "a later backward pass threw the gradients of an earlier one away",
        )
    worst = int((weights - factors).abs().argmax())
    return Diagnosis(
        None,
        f"examples enter with wrong weights, e.g. example {worst} with {float(weights[worst]):.3g} "
        f"instead of {float(factors[worst]):.3g}",
    )
