"""What is asked of accountants in every run of a script is calculated in one."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch

from dpmigrate.runtime.run.watching.accounting import AccountantWatcher, _made_of
from dpmigrate.runtime.run.watching.state import RunSettings, Watch


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


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("server", "goes_on"),
    [
        (lambda start, mean, shared, own: mean, True),
        pytest.param(lambda start, mean, shared, own: start + 0.3 * (mean - start), True, id="a part"),
        pytest.param(lambda start, mean, shared, own: start + 1.7 * (mean - start), True, id="momentum"),
        pytest.param(lambda start, mean, shared, own: start, False, id="the same beginning"),
        pytest.param(lambda start, mean, shared, own: own, False, id="a fresh model"),
        pytest.param(lambda start, mean, shared, own: 0.9 * own - 0.1 * start, False, id="weight decay"),
        pytest.param(lambda start, mean, shared, own: start + 0.05 * own, False, id="tuned elsewhere"),
        pytest.param(lambda start, mean, shared, own: start + 0.05 * shared, False, id="tuned likewise"),
    ],
)
def test_weights_go_on_though_a_server_goes_a_part_or_further(seed: int, server, goes_on: bool) -> None:  # type: ignore[no-untyped-def]
    """Four clients move along what they share, and by noise of their own."""
    g = torch.Generator().manual_seed(seed)
    start, shared, own = torch.randn(3, 300, generator=g, dtype=torch.float64)
    begun = 0.5 * start.unsqueeze(1).expand(-1, 4)
    moves = 0.02 * shared.unsqueeze(1) + 0.08 * torch.randn(300, 4, generator=g, dtype=torch.float64)
    now = server(0.5 * start, (begun + moves).mean(dim=1), shared, own)
    assert (_made_of(now, begun, begun + moves) is not None) is goes_on
