"""Which loader fed a training step is known from values (DPM301)."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api
from dpmigrate.analysis.batches import without_records
from tests.scan.programs import lay_out
from tests.scan.ways_of_feeding import FEEDINGS
from tests.scan.ways_of_feeding_beside import BESIDE
from tests.scan.ways_of_feeding_by_choice import BY_CHOICE
from tests.scan.ways_of_feeding_by_engine import BY_ENGINE

PROGRAMS = [
    program for feeding in (*FEEDINGS, *BESIDE, *BY_CHOICE, *BY_ENGINE) for program in feeding.programs()
]


@pytest.mark.parametrize(
    ("text", "told"), [(text, told) for _, text, told in PROGRAMS], ids=[name for name, _, _ in PROGRAMS]
)
def test_what_is_told_of_the_loader_that_feeds_training(tmp_path: Path, text: str, told: str) -> None:
    findings = api.scan(["."], cwd=lay_out(tmp_path, train=text)).findings
    assert {f.certainty for f in findings if f.rule == "DPM301"} == ({told} if told else set())


@pytest.mark.parametrize(
    ("name", "without"), [("size", True), ("zeros_like", True), ("relu", False), ("to", False)]
)
def test_sizes_and_new_tensors_hold_no_records(name: str, without: bool) -> None:
    assert without_records(name) is without
