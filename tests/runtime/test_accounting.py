"""What is asked of accountants in every run of a script is calculated in one."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch

from dpmigrate.runtime.run.accounting import AccountantWatcher, _made_of
from dpmigrate.runtime.run.state import RunSettings, Watch


@pytest.mark.parametrize("shared", [True, False])
def test_a_noise_multiplier_is_looked_for_once_for_all_runs(tmp_path: Path, shared: bool) -> None:
    asked = []

    def find(**options: float) -> float:
        asked.append(options)
        return 1 / options["target_epsilon"]

    def run_of_the_script(epsilon: float) -> float:
        watch = Watch(RunSettings(1), lambda _: None)
        watch.folder = tmp_path if shared else None
        return AccountantWatcher(watch).multiplier(find, target_epsilon=epsilon)

    assert [run_of_the_script(epsilon) for epsilon in (3.0, 3.0, 7.0)] == [1 / 3, 1 / 3, 1 / 7]
    assert len(asked) == (2 if shared else 3)


def clients(start, seed: int = 1):  # type: ignore[no-untyped-def]
    """Four clients' first and last weights: they move along what they share, and by noise of their own."""
    g = torch.Generator().manual_seed(seed)
    shared = torch.randn(len(start), generator=g)
    moves = 0.04 * shared.unsqueeze(1) + 0.03 * torch.randn(len(start), 4, generator=g)
    begun = start.unsqueeze(1).expand(-1, 4)
    return begun, begun + moves.to(begun)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("server", "goes_on"),
    [
        (lambda start, mean, g: mean, True),
        (lambda start, mean, g: mean + 0.02 * torch.randn(len(start), generator=g), True),  # steps of its own
        (lambda start, mean, g: start + 0.01 * (mean - start).sign(), True),  # FedAdam's first step
        (lambda start, mean, g: start + 1.7 * (mean - start), True),  # momentum
        (lambda start, mean, g: start, False),  # the same beginning once more
        (lambda start, mean, g: torch.randn(len(start), generator=g), False),  # a fresh model
        (
            lambda start, mean, g: start + 0.05 * torch.randn(len(start), generator=g),
            False,
        ),  # tuned elsewhere
        (lambda start, mean, g: 0.9 * torch.randn(len(start), generator=g) - 0.1 * start, False),
    ],
)
def test_weights_go_on_though_a_server_adds_its_own(seed: int, server, goes_on: bool) -> None:  # type: ignore[no-untyped-def]
    g = torch.Generator().manual_seed(seed)
    start = 0.5 * torch.randn(300, generator=g, dtype=torch.float64)
    begun, ended = clients(start, seed)
    now = server(start, ended.mean(dim=1), g).double()
    assert (_made_of(now, begun, ended) is not None) is goes_on
