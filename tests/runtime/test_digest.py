"""A batch's digest: equal for equal values, whatever the tensors are, and never an exception."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")


def test_equal_values_have_equal_digests() -> None:
    from dpmigrate.runtime.run.watching.digest import tensor_digest

    x = torch.arange(6.0).view(2, 3)
    assert tensor_digest([x]) == tensor_digest([x.clone()])
    assert tensor_digest([x]) != tensor_digest([x + 1])
    assert tensor_digest([x, x]) != tensor_digest([x])
    assert tensor_digest([x.to_sparse()]) == tensor_digest([x])
    assert tensor_digest([x.T]) == tensor_digest([x.T.contiguous()])


def test_no_kind_of_tensor_raises() -> None:
    from dpmigrate.runtime.run.watching.digest import tensor_digest

    kinds = [
        torch.zeros(3, dtype=torch.bfloat16),
        torch.zeros(3, dtype=torch.complex64).conj(),
        torch.zeros(2, 2).to_sparse(),
        torch.zeros(4, device="meta"),
        torch.zeros(0, 5),
        torch.tensor(1.5, requires_grad=True),
        torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.quint8),
        torch.nn.utils.rnn.pack_sequence([torch.ones(3), torch.ones(2)]).data,
        torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
    ]
    assert all(isinstance(tensor_digest([kind]), int) for kind in kinds)
    assert tensor_digest([torch.zeros(4, device="meta")]) != tensor_digest([torch.zeros(5, device="meta")])


def test_values_under_vmap_are_those_of_the_batch() -> None:
    from dpmigrate.runtime.run.watching.digest import tensor_digest, transformed

    seen = []

    def one(x: torch.Tensor) -> torch.Tensor:
        assert transformed(x)
        seen.append(tensor_digest([x]))
        return x.sum()

    x = torch.arange(6.0).view(2, 3)
    torch.func.vmap(torch.func.grad(one))(x)
    assert seen == [tensor_digest([x])]
