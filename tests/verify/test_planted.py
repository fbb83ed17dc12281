"""Every silent fault planted into real scripts fails by name on the newest release that has it; the right
scripts pass. ``python -m tests.runtime.matrix`` prints all releases.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.verify.planted import PLANTS, TWINS
from tests.verify.planting import Plant, problem, run

pytestmark = [pytest.mark.opacus, pytest.mark.slow]


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.name)
def test_right_script_passes(tmp_path: Path, twin: Plant) -> None:
    done = run(twin, twin.silent[-1], tmp_path)
    assert done.status == 0, (done.report, done.stderr[-2000:])
    assert done.report["passed"] is True


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: f"{plant.letter}: {plant.name}")
def test_planted_fault_fails_by_name(tmp_path: Path, plant: Plant) -> None:
    assert not problem(plant, run(plant, plant.silent[-1], tmp_path))
