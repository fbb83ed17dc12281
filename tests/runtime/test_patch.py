"""The repaired clipping core on every real release; scenarios are in patch_scenarios.py."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from typing import Any

import pytest

from tests.opacus_releases import CHECKOUT, KNOWN, environment

pytest.importorskip("torch")

pytestmark = [pytest.mark.opacus, pytest.mark.slow]

BEFORE_153 = KNOWN[:3]
BEFORE_154 = KNOWN[:4]


@cache
def outcomes(version: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.runtime.patch_scenarios"],
        cwd=CHECKOUT,
        env=environment(version),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout)
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


def test_a_right_release_is_left_alone() -> None:
    assert outcomes("1.5.4")["patching_is_idempotent_and_reversible"] == []


@pytest.mark.parametrize("version", KNOWN)
def test_exactly_the_wrong_parts_are_found_and_repaired(version: str) -> None:
    found = outcomes(version)
    assert found["probing_changes_nothing"] == wrong_parts(version)
    assert found["patching_is_idempotent_and_reversible"] == wrong_parts(version)


@pytest.mark.parametrize("version", KNOWN)
def test_after_the_repair_every_loop_matches_the_oracle(version: str) -> None:
    found = outcomes(version)
    assert set(map(tuple, found["repaired_clipping_is_right"].values())) == {()}
    before = found["unrepaired_clipping"]
    assert bool(before["memory manager"]) == bool(before["bound"]) == (version in BEFORE_153)
    assert bool(before["text"]) == (version in BEFORE_154)
    assert found["the_faulty_window_is_seen_through_its_version"] == []


def test_ghost_adaptive_clipping_clips_again() -> None:
    assert outcomes("1.5.2")["adaptive_clipping"] == {"absent": True}
    assert outcomes("1.5.4")["adaptive_clipping"] == {"before": [], "after": []}
    assert outcomes("1.6.0")["adaptive_clipping"] == {"before": ["parity-clipped-sum"], "after": []}
