"""What a scan says holds for whatever a program does: random programs, run under all of their arguments."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from dpmigrate import api
from dpmigrate.model import ScanResult
from tests.scan.hooks_stand_ins import committed
from tests.scan.random_choices import choices
from tests.scan.random_hooks import FAULTS, SILENT_IN_DOUBT, hooks_programs
from tests.scan.random_programs import PROGRAMS, outcomes
from tests.scan.random_training import programs
from tests.scan.stand_ins import executions

EXAMPLES = os.environ.get("DPMIGRATE_PROGRAMS")
"""How many other programs to try; without it the same hundred every time."""
random_programs = settings(
    max_examples=int(EXAMPLES or 100),
    derandomize=EXAMPLES is None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
)


def scan(factory: pytest.TempPathFactory, program: str) -> ScanResult:
    folder: Path = factory.mktemp("program", numbered=True)
    (folder / "train.py").write_text(program, encoding="utf-8")
    return api.scan(["."], cwd=folder, opacus=">=1.5.3")


@given(PROGRAMS)
@random_programs
def test_no_mode_of_any_execution_is_missing(tmp_path_factory: pytest.TempPathFactory, program: str) -> None:
    listed: dict[int, set[str]] = {}
    for run in scan(tmp_path_factory, program).runs:
        listed.setdefault(run.line, set()).update(run.mode)
    for line, modes in outcomes(program).items():
        assert "?" in listed.get(line, ()) or modes <= listed.get(line, set()), f"line {line}"


@given(programs())
@random_programs
def test_findings_are_what_some_execution_does(
    tmp_path_factory: pytest.TempPathFactory, program: str
) -> None:
    result = scan(tmp_path_factory, program)
    seen = list(executions(program))
    rules = {finding.rule for finding in result.findings}
    managed = {bool(run.batch_memory_manager) for run in result.runs if "ghost" in run.mode}
    assert {mode for run in result.runs for mode in run.mode} == {mode for e in seen for mode in e.modes}
    assert any(e.unwrapped for e in seen) <= ("DPM103" in rules)
    assert any(e.managed for e in seen) <= (True in managed)
    assert any(e.unpacked_wrongly for e in seen) == ("DPM403" in rules)
    # Three targets can only raise, whatever else is left out: one cause, one finding.
    without = [e for e in seen if e.without_criterion]
    assert any(not e.unpacked_wrongly for e in without) <= ("DPM404" in rules) <= bool(without)
    # Where a call can be made in ghost mode, a report is about what happens then.
    ghost = [e for e in seen if "ghost" in e.modes] or seen
    touches = {how for e in ghost for how in e.first_touches}
    cleared = {run.zero_grad_set_to_none for run in result.runs if "ghost" in run.mode or ghost is seen}
    assert True not in cleared or touches <= {"none"}
    assert cleared != {False} or touches != {"none"}
    noise = {state for e in seen for state in e.noise}
    assert {run.noise_generator for run in result.runs} in (noise, {"unknown"})
    assert ("unseeded" in noise) == ("DPM201" in rules)
    if any(e.wrapped or e.unwrapped for e in seen):
        # Code that no arguments reach is analysed all the same, and may be wrong.
        certain = {finding.rule for finding in result.findings if finding.certainty == "definite"}
        making = [e for e in seen if "ghost" in e.modes and e.raised is None]
        assert ("DPM103" in certain) <= all(e.unwrapped for e in making)
        assert any(e.managed for e in seen) >= (True in managed)


@given(choices())
@random_programs
def test_what_is_definite_happens_in_every_execution_that_makes_the_run(
    tmp_path_factory: pytest.TempPathFactory, program: str
) -> None:
    findings = scan(tmp_path_factory, program).findings
    made = [e for e in executions(program) if e.modes]
    told = {(f.rule, f.certainty) for f in findings}
    for rule, happened in (
        ("DPM301", [e.on_passed_loader for e in made]),
        ("DPM120", [e.passed_optimizer_stepped for e in made]),
    ):
        assert ((rule, "definite") in told) <= all(happened)
        reported = {(rule, "definite"), (rule, "possible")} & told
        assert not made or bool(reported) == any(happened)


@given(hooks_programs())
@random_programs
def test_what_standard_clipping_does_wrong_is_told_where_some_execution_does_it(
    tmp_path_factory: pytest.TempPathFactory, program: str
) -> None:
    told = {(f.rule, f.certainty) for f in scan(tmp_path_factory, program).findings}
    made = [execution.rules for execution in committed(program) if execution.private]
    for rule in FAULTS if made else ():
        happened = [rule in rules for rules in made]
        assert ((rule, "definite") in told) <= all(happened), f"{rule} is definite, and not always"
        reported = any(rule == name for name, _ in told)
        assert reported <= any(happened), f"{rule} is told, and never happens"
        assert reported or rule == SILENT_IN_DOUBT or not any(happened), f"{rule} happens, and is not told"
