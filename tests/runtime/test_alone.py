"""Gradients of single examples agree with the graph's, or are refused; nothing is left changed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

from dpmigrate.runtime.run.watching.alone import Alone, NotAloneError  # noqa: E402
from tests.runtime.plain_oracle import per_sample_gradients  # noqa: E402


class Remembering(nn.Module):
    """Keeps its last activations and counts its calls in a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(3, 2)
        self.last: Tensor | None = None
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.last = torch.tanh(self.body(x))
        return self.last


class Mixing(nn.Module):
    """Subtracts the mean of the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x)
        return y - y.mean(dim=0)


def _call(model: nn.Module) -> tuple[Alone, list[tuple[Tensor, Tensor, int]], Tensor]:
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
    output = model(x)
    losses = output.square().sum(1)
    (gradient,) = torch.autograd.grad(losses.mean(), output, retain_graph=True)
    return Alone(model, ((x,), {}), [output], 5, 0), [(output, gradient, 0)], losses


def test_rows_are_those_of_the_graph_and_the_model_is_left_as_it_was() -> None:
    torch.manual_seed(0)
    model = Remembering()
    alone, used, losses = _call(model)
    last, calls, state = model.last, model.calls.clone(), torch.get_rng_state()
    params = list(model.parameters())
    expected = per_sample_gradients(losses, params)
    found = [alone.gradient(used, 5.0, params, i) for i in range(5)]
    rows = torch.stack([torch.cat([g.reshape(-1) for g in row]).double() for row in found])
    assert rows.shape == expected.shape
    assert float((rows - expected).norm() / expected.norm()) < 1e-6
    assert model.last is last
    assert torch.equal(model.calls, calls)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("build", [Mixing, lambda: nn.Sequential(nn.Linear(3, 40), nn.Dropout(0.5))])
def test_models_whose_examples_are_not_independent_of_batch_or_chance_are_refused(
    build: Callable[[], nn.Module],
) -> None:
    torch.manual_seed(0)
    model = build()
    alone, used, _ = _call(model)
    with pytest.raises(NotAloneError):
        alone.gradient(used, 5.0, list(model.parameters()), 2)
