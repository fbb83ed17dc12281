"""Faults made of per-example gradients by hand, and the names that they must get."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
from torch import Tensor  # noqa: E402

from dpmigrate.runtime.diagnose import Diagnosis, diagnose, diagnose_losses  # noqa: E402
from dpmigrate.runtime.oracle import clip, clipping_factor  # noqa: E402

BOUND = 0.7
SIZES = (3, 3, 2)


@pytest.fixture
def rows() -> Tensor:
    """Eight gradients of a hundred parameters, norms from 0.1 to 8."""
    g = torch.Generator().manual_seed(1)
    rows = torch.randn(8, 100, generator=g, dtype=torch.float64)
    scale = torch.logspace(-1, 0.9, 8, dtype=torch.float64)
    return rows / rows.norm(dim=1, keepdim=True) * scale.unsqueeze(1)


def clipped(rows: Tensor, bound: float = BOUND) -> Tensor:
    return clipping_factor(rows.norm(dim=1), bound).unsqueeze(1) * rows


def name(found: Diagnosis | None) -> str | None:
    assert found is not None
    return found.rule


def test_a_right_sum_has_no_diagnosis(rows: Tensor) -> None:
    right, norms = clip(rows, BOUND)
    assert diagnose(right, rows, BOUND) is None
    assert diagnose(right.float(), rows.float(), BOUND, sizes=SIZES, norms_seen=norms) is None
    assert diagnose(right, rows, BOUND, losses_shape=(8, 1)) is None
    assert diagnose(rows.sum(0), rows, 100.0) is None
    assert diagnose_losses((8,), 8) is None


def test_only_the_last_physical_batch_twice_is_the_memory_manager_fault(rows: Tensor) -> None:
    found = diagnose(2 * clipped(rows)[6:].sum(0), rows, BOUND, sizes=SIZES)
    assert name(found) == "DPM101"
    assert found is not None and "count 0.00, 0.00, 2.00 times" in found.text


def test_a_running_sum_that_shares_memory_is_the_same_fault(rows: Tensor) -> None:
    parts = [p.sum(0) for p in clipped(rows).split(list(SIZES))]
    assert name(diagnose(parts[0] + 2 * parts[1] + 4 * parts[2], rows, BOUND, sizes=SIZES)) == "DPM101"


def test_lost_backward_passes_are_accumulation_without_a_memory_manager(rows: Tensor) -> None:
    last = clipped(rows)[6:].sum(0)
    assert name(diagnose(last, rows, BOUND, sizes=SIZES)) == "DPM106"
    assert name(diagnose(last, rows, BOUND)) == "DPM106"


def test_no_clipping_is_an_unwrapped_loss_whatever_the_scale(rows: Tensor) -> None:
    assert name(diagnose(rows.sum(0), rows, BOUND)) == "DPM103"
    assert name(diagnose(rows.mean(0), rows, BOUND)) == "DPM103"


def test_clipping_at_one_is_an_ignored_bound(rows: Tensor) -> None:
    assert name(diagnose(clip(rows, 1.0)[0], rows, BOUND)) == "DPM102"


def test_the_shape_of_the_losses_comes_first(rows: Tensor) -> None:
    wrong = rows.sum(0) * 3
    assert name(diagnose(wrong, rows, BOUND, losses_shape=())) == "DPM104"
    assert name(diagnose(wrong, rows, BOUND, losses_shape=(8, 1))) == "DPM105"
    assert name(diagnose(wrong, rows, BOUND, losses_shape=(8,))) == "DPM103"


def test_a_penalty_is_no_examples_gradient(rows: Tensor) -> None:
    g = torch.Generator().manual_seed(2)
    penalty = torch.randn(100, generator=g, dtype=torch.float64)
    assert name(diagnose(clip(rows, BOUND)[0] + penalty, rows, BOUND)) == "DPM107"


@pytest.mark.parametrize(
    ("factor", "says"), [(0.0, "is zero"), (0.25, "scaled by 0.25"), (3.0, "scaled by 3")]
)
def test_faults_without_an_advisory_are_described(rows: Tensor, factor: float, says: str) -> None:
    found = diagnose(factor * clip(rows, BOUND)[0], rows, BOUND)
    assert found is not None and found.rule is None and says in found.text


def test_wrong_norms_are_told_from_no_clipping(rows: Tensor) -> None:
    seen = rows.norm(dim=1) / 100
    found = diagnose(clipping_factor(seen, BOUND) @ rows, rows, BOUND, norms_seen=seen)
    assert found is not None and found.rule is None and "0.01 to 0.01 times the true ones" in found.text
    twice = 2 * (clipping_factor(seen, BOUND).unsqueeze(1) * rows)[6:].sum(0)
    both = diagnose(twice, rows, BOUND, norms_seen=seen, sizes=SIZES)
    assert both is not None and both.rule == "DPM101" and "norms are wrong" in both.text


def test_single_wrong_weights_name_the_example(rows: Tensor) -> None:
    weights = clipping_factor(rows.norm(dim=1), BOUND)
    weights[7] = 1.0
    found = diagnose(weights @ rows, rows, BOUND)
    assert found is not None and found.rule is None and "example 7 with 1 instead of 0.0881" in found.text


def test_nan_is_named(rows: Tensor) -> None:
    found = diagnose(torch.full((100,), float("nan")), rows, BOUND)
    assert found is not None and "NaN" in found.text


def test_more_examples_than_parameters_never_invents_a_penalty() -> None:
    g = torch.Generator().manual_seed(3)
    rows = torch.randn(8, 2, generator=g, dtype=torch.float64)
    found = diagnose(torch.tensor([30.0, -20.0], dtype=torch.float64), rows, BOUND)
    assert found is not None and found.rule is None


def test_of_very_many_parameters_only_some_are_compared(
    rows: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dpmigrate.runtime.diagnose._MOST_ENTRIES", 400)
    assert diagnose(clip(rows, BOUND)[0], rows, BOUND) is None
    assert name(diagnose(2 * clipped(rows)[6:].sum(0), rows, BOUND, sizes=SIZES)) == "DPM101"
