"""A fixed program does what the program did, but for what was mended: random programs, before and after."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given

from dpmigrate import api
from dpmigrate.fixing import fix
from tests.scan.random_training import programs
from tests.scan.stand_ins import Seen, executions
from tests.scan.test_soundness import random_programs


def made(seen: Seen) -> list[str]:
    """The backward passes and steps of an execution, whatever the loss was made by."""
    return [what[0] for what in seen.trace]


@given(programs())
@random_programs
def test_a_fix_breaks_nothing_in_any_mode(tmp_path_factory: pytest.TempPathFactory, program: str) -> None:
    folder: Path = tmp_path_factory.mktemp("program", numbered=True)
    script = folder / "train.py"
    script.write_text(program, encoding="utf-8")
    result = fix(["."], apply=True, unsafe=True, seed="args.n", cwd=folder, opacus=">=1.5.3")
    if not result.applied:
        return
    fixed = script.read_text(encoding="utf-8")
    left = {finding.rule for finding in api.scan(["."], cwd=folder, opacus=">=1.5.3").findings}
    assert not fix(["."], unsafe=True, seed="args.n", cwd=folder, opacus=">=1.5.3").contents
    for before, after in zip(executions(program), executions(fixed), strict=True):
        assert after.modes == before.modes
        assert "DPM103" in left or not after.unwrapped
        if before.raised is None:
            assert after.raised is None
            assert made(after) == made(before)
            assert "ghost" in before.modes or after.trace == before.trace
