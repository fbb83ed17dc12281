"""What a scan lists holds for whatever a program does: random programs, run under all of their arguments."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from dpmigrate import api
from tests.scan.random_programs import PROGRAMS, outcomes

EXAMPLES = int(os.environ.get("DPMIGRATE_PROGRAMS", "150"))


@given(PROGRAMS)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_mode_of_any_execution_is_missing(tmp_path_factory: pytest.TempPathFactory, program: str) -> None:
    folder: Path = tmp_path_factory.mktemp("program", numbered=True)
    (folder / "train.py").write_text(program, encoding="utf-8")
    listed = {mode for run in api.scan(["."], cwd=folder).runs for mode in run.mode}
    assert "?" in listed or outcomes(program) <= listed
