"""Private runs that draw from one seed: clients that take turns share their noise, a sweep does not."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from dpmigrate.runtime.run.judging.noise_verdicts import noise_fresh  # noqa: E402
from dpmigrate.runtime.run.records import EngineRecord, Release, RunRecord  # noqa: E402


def run_of(noise: list[torch.Tensor], orders: list[tuple[int, int]]) -> EngineRecord:
    names = {"mode": "hooks", "manual": False, "generator": "seeded", "names": ["w"], "sizes": [20]}
    more = {"shapes": [(20,)], "dtype": "float32", "optimizer": "DPOptimizer"}
    engine = EngineRecord(path="fl.py", line=7, linear_optimizer=True, wrapped_api=True, **names, **more)
    engine.releases = [
        Release(1.0, None, 1.0, 1.0, drawn, 1.0, 20, number, order=order)
        for number, (drawn, order) in enumerate(zip(noise, orders, strict=True))
    ]
    return engine


@pytest.mark.parametrize(
    ("seeds", "first", "second", "failing"),
    [
        ((1, 1), [(5, 0), (5, 2)], [(5, 1), (5, 3)], [False, True]),
        ((1, 2), [(5, 0), (5, 2)], [(5, 1), (5, 3)], [False, False]),
        ((1, 1), [(5, 0), (5, 1)], [(5, 2), (5, 3)], [False, False]),
        ((1, 1), [(5, 0), (5, 1)], [(6, 0), (6, 1)], [False, False]),
    ],
    ids=["clients of one seed", "clients", "sweep", "processes"],
)
def test_clients_may_not_share_their_noise(
    seeds: tuple[int, int], first: list[tuple[int, int]], second: list[tuple[int, int]], failing: list[bool]
) -> None:
    noise = [list(torch.randn(2, 20, generator=torch.Generator().manual_seed(seed))) for seed in seeds]
    run = RunRecord(engines=[run_of(noise[0], first), run_of(noise[1], second)])
    checks = [noise_fresh(run, None, index)[0] for index in (0, 1)]
    assert [check.passed is False for check in checks] == failing
    assert [check.rule for check in checks] == ["DPM205" if failed else None for failed in failing]
