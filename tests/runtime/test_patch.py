"""The repaired clipping core on every real release; scenarios are in patch_scenarios.py."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.opacus_releases import CHECKOUT, KNOWN, environment

pytest.importorskip("torch")

pytestmark = [pytest.mark.opacus, pytest.mark.slow]

BEFORE_153 = KNOWN[:3]
BEFORE_154 = KNOWN[:4]


def outcomes(version: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_python(version, "tests.runtime.patch_scenarios"))
    return found


def wrong_parts(version: str) -> list[str]:
    parts = []
    if version in BEFORE_153:
        parts.append("accumulate")
    if version in BEFORE_154:
        parts.append("linear-bias-norm")
    if version in BEFORE_153:
        parts.append("engine-max-grad-norm")
    if version == "1.6.0":
        parts.append("adaptive-criterion")
    return parts


@pytest.mark.parametrize("version", KNOWN)
def test_exactly_the_wrong_parts_are_repaired_and_then_match_the_oracle(version: str) -> None:
    found = outcomes(version)
    assert found["probing_changes_nothing"] == wrong_parts(version)
    assert found["patching_is_idempotent_and_reversible"] == wrong_parts(version)
    assert set(map(tuple, found["repaired_clipping_is_right"].values())) == {()}
    before = found["unrepaired_clipping"]
    assert bool(before["memory manager"]) == bool(before["bound"]) == (version in BEFORE_153)
    assert bool(before["text"]) == (version in BEFORE_154)
    assert found["the_faulty_window_is_seen_through_its_version"] == []
    if version in BEFORE_153:
        assert found["adaptive_clipping"] == {"absent": True}
    else:
        broken = ["parity-clipped-sum"] if version == "1.6.0" else []
        assert found["adaptive_clipping"] == {"before": broken, "after": []}


def test_two_processes_with_the_distributed_optimizer_match_the_oracle() -> None:
    """Without the repair the same run is off by 1.01."""
    done = _python("1.5.2", "tests.runtime.distributed_child", "repair")
    name, error = done.split()
    assert name == "DistributedDPOptimizerFastGradientClipping"
    assert float(error) < 1e-5


def _python(version: str, *module: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *module],
        cwd=CHECKOUT,
        env=environment(version),
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
