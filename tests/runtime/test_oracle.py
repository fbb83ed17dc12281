"""The oracle against gradients worked out by hand and against autograd on the whole batch."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import NamedTuple

import pytest

torch = pytest.importorskip("torch")
from torch import Tensor, nn  # noqa: E402

from dpmigrate.runtime import batches, oracle  # noqa: E402
from dpmigrate.runtime.run.judging.verdicts import median_bound  # noqa: E402
from tests.runtime import models as m  # noqa: E402
from tests.runtime import plain_oracle  # noqa: E402


def test_nothing_is_clipped_under_a_large_bound_and_the_model_is_left_alone() -> None:
    model = m.build(m.Mlp)
    x, y = m.batch_for(m.Mlp)
    before = copy.deepcopy(model.state_dict())
    result = plain_oracle.clipped_sum(model, nn.CrossEntropyLoss(), (x, y), max_grad_norm=1e9)
    nn.CrossEntropyLoss(reduction="sum")(model(x), y).backward()
    whole = torch.cat([p.grad.reshape(-1) for p in model.parameters()]).double()
    assert torch.allclose(result.flat(), whole, rtol=1e-5, atol=1e-6)
    model.zero_grad()
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert list(result.clipped_sum) == [n for n, _ in model.named_parameters()]
    assert result.flat().dtype == result.norms.dtype == torch.float64


def test_a_hand_made_example_is_clipped_to_its_bound() -> None:
    """y = w x with squared loss: gradients 2 w x^2 - 2 x t, here 2 and 200, clipped at 10."""
    model = nn.Linear(1, 1, bias=False).double()
    nn.init.ones_(model.weight)
    batch = (torch.tensor([[1.0], [10.0]]).double(), torch.zeros(2, 1).double())
    result = plain_oracle.clipped_sum(model, nn.MSELoss(), batch, max_grad_norm=10.0)
    assert result.norms.tolist() == [2.0, 200.0]
    assert result.clipped_sum["weight"].item() == pytest.approx(12.0, abs=1e-5)


def test_frozen_parameters_are_left_out_and_unused_ones_give_zeros() -> None:
    model = nn.ModuleDict({"used": nn.Linear(3, 2), "frozen": nn.Linear(3, 2), "unused": nn.Linear(3, 2)})
    model["frozen"].requires_grad_(False)
    result = plain_oracle.clipped_sum(
        model,
        None,
        (torch.randn(4, 3), torch.randn(4, 2)),
        max_grad_norm=1.0,
        loss=lambda mod, b: (mod["used"](b[0]) + mod["frozen"](b[0]) - b[1]).square().mean(1),
    )
    assert set(result.clipped_sum) == {"used.weight", "used.bias", "unused.weight", "unused.bias"}
    assert not result.clipped_sum["unused.weight"].any()
    assert result.clipped_sum["used.weight"].any()


def test_tied_parameters_count_once_with_both_uses() -> None:
    model = m.build(m.TiedMlp)
    x, y = m.batch_for(m.TiedMlp, size=5)
    result = plain_oracle.clipped_sum(model, nn.CrossEntropyLoss(), (x, y), max_grad_norm=1e9)
    assert "l2.weight" not in result.clipped_sum
    grad = torch.autograd.grad(nn.CrossEntropyLoss(reduction="sum")(model(x), y), model.l1.weight)[0]
    assert torch.allclose(result.clipped_sum["l1.weight"], grad.double(), atol=1e-5)


def test_the_same_graph_gives_the_same_rows_as_one_pass_each() -> None:
    model = m.build(m.Cnn).double()
    x, y = m.batch_for(m.Cnn, size=6)
    x = x.double()
    losses = nn.CrossEntropyLoss(reduction="none")(model(x), y)
    rows = plain_oracle.per_sample_gradients(losses, oracle.trainable(model))
    alone = torch.stack(
        list(plain_oracle.each_gradient(model, nn.CrossEntropyLoss(), (x, y), list(model.parameters())))
    )
    assert torch.allclose(rows, alone, atol=1e-12)
    bound = median_bound(rows.norm(dim=1))
    total, norms = oracle.clip(rows, bound)
    result = plain_oracle.clipped_sum(model, nn.CrossEntropyLoss(), (x, y), max_grad_norm=bound)
    assert torch.allclose(total, result.flat(), atol=1e-12)
    assert torch.allclose(norms, result.norms, atol=1e-12)
    losses.sum().backward()  # the graph is still there


def test_losses_that_are_no_vector_are_refused() -> None:
    model = m.build(m.Mlp)
    with pytest.raises(ValueError, match=r"shape \(B,\), not \(3, 4\)"):
        plain_oracle.per_sample_gradients(model(torch.randn(3, 12)), list(model.parameters()))
    with pytest.raises(ValueError, match="not a trainable parameter of the model: nope"):
        plain_oracle.clipped_sum(
            model, nn.CrossEntropyLoss(), m.batch_for(m.Mlp), max_grad_norm=1.0, params=["l1.bias", "nope"]
        )
    with pytest.raises(ValueError, match="no trainable parameter"):
        plain_oracle.clipped_sum(
            model.requires_grad_(False), nn.CrossEntropyLoss(), m.batch_for(m.Mlp), max_grad_norm=1.0
        )


def test_an_empty_batch_sums_to_zero() -> None:
    model = m.build(m.Mlp)
    x, y = m.batch_for(m.Mlp)
    result = plain_oracle.clipped_sum(model, nn.CrossEntropyLoss(), (x[:0], y[:0]), max_grad_norm=1.0)
    assert result.norms.shape == (0,)
    assert not result.flat().any()
    losses = nn.CrossEntropyLoss(reduction="none")(model(x[:0]), y[:0])
    assert plain_oracle.per_sample_gradients(losses, list(model.parameters())).shape == (
        0,
        result.flat().numel(),
    )


def test_class_weights_stay_weights() -> None:
    """A mean over one weighted example would divide its weight away again."""
    model = m.build(m.Mlp)
    x, y = m.batch_for(m.Mlp, size=5)
    weight = torch.tensor([1.0, 5.0, 0.2, 3.0])
    plain = plain_oracle.clipped_sum(model, nn.CrossEntropyLoss(), (x, y), max_grad_norm=1e9)
    weighted = plain_oracle.clipped_sum(model, nn.CrossEntropyLoss(weight=weight), (x, y), max_grad_norm=1e9)
    assert torch.allclose(weighted.norms, plain.norms * weight[y].double(), rtol=1e-5)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_the_criterion_given_keeps_its_reduction(reduction: str) -> None:
    criterion = nn.MSELoss(reduction=reduction)
    model = m.build(m.Mlp)
    x, _ = m.batch_for(m.Mlp, size=4)
    result = plain_oracle.clipped_sum(model, criterion, (x, torch.zeros(4, 4)), max_grad_norm=1e9)
    assert criterion.reduction == reduction
    true = torch.autograd.grad(model(x).square().mean(1).sum(), model.l2.bias)[0]
    assert torch.allclose(result.clipped_sum["l2.bias"], true.double(), atol=1e-5)


class Pair(NamedTuple):
    x: Tensor
    y: Tensor


@dataclass
class Sample:
    ids: Tensor
    extra: dict[str, Tensor]
    note: str = "kept"


def test_batches_are_trees_of_tensors() -> None:
    x, y = torch.arange(6).reshape(3, 2), torch.arange(3)
    for batch in ((x, y), [x, y], Pair(x, y), {"x": x, "inner": {"y": y}}, Sample(x, {"y": y})):
        parts = plain_oracle.split_batch(batch)
        assert batches.batch_size(batch) == len(parts) == 3
        assert all(type(part) is type(batch) for part in parts)
        again = torch.cat([batches.tensors_in(part)[0] for part in parts])
        assert torch.equal(again, x)
        assert torch.equal(batches.tensors_in(batches.take(batch, [2, 0]))[0], x[[2, 0]])
    assert plain_oracle.split_batch(Sample(x, {"y": y}))[1].note == "kept"
    scalar = torch.tensor(2.0)
    assert plain_oracle.split_batch((x, scalar))[0][1] is scalar


def test_batches_without_a_common_length_are_refused() -> None:
    with pytest.raises(ValueError, match=r"disagree on the number of examples: \[2, 3\]"):
        batches.batch_size((torch.zeros(3), torch.zeros(2)))
    with pytest.raises(ValueError, match="no tensor with a batch dimension"):
        batches.batch_size({"note": "x"})
    with pytest.raises(TypeError, match="give loss=function"):
        batches.inputs_and_target({"x": torch.zeros(3)})


@pytest.mark.parametrize(
    ("norms", "bound"), [([1.0, 2.0, 3.0, 4.0], 2.5), ([1.0, 2.0, 3.0], 1.5), ([2.0], 1.0), ([3.0, 3.0], 1.5)]
)
def test_the_median_bound_clips_some_examples_and_never_sits_on_one(norms: list[float], bound: float) -> None:
    assert median_bound(torch.tensor(norms)) == bound


def test_a_batch_of_zero_gradients_has_no_bound() -> None:
    with pytest.raises(ValueError, match="every per-sample gradient is zero"):
        median_bound(torch.zeros(4))


def test_the_parity_limit_grows_only_where_float32_rounding_does() -> None:
    from dpmigrate.runtime.limits import parity_limit

    assert parity_limit("float32", 100) == parity_limit("float32", 25_000) == 1e-5
    assert parity_limit("float32", 2_500_000) == pytest.approx(1e-4)
    assert parity_limit("float64", 10_000_000) == 1e-12
    assert parity_limit("float32", 100, rounding=1e-7) == 1e-5
    assert parity_limit("float32", 100, rounding=1e-4) == pytest.approx(4e-4)
    assert parity_limit("float32", 100, rounding=1.0) == 1e-2
