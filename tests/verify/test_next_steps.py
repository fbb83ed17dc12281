"""What ``verify`` says to do about the faults that it named."""

from __future__ import annotations

from typing import Any

import pytest

from dpmigrate.report.verification.text import failures, next_steps


def report(*rules: str | None, target: str = "train.py") -> dict[str, Any]:
    checks = [{"passed": False, "rule": rule} for rule in rules]
    return {"checks": checks, "evidence": {"target": target}}


def test_a_fault_with_a_fix_names_the_command() -> None:
    assert next_steps(report("DPM101")) == ["next: dpmigrate explain DPM101; dpmigrate fix train.py"]


def test_a_fault_without_a_fix_names_the_edit() -> None:
    steps = next_steps(report("DPM301"))
    assert steps == [
        "next: dpmigrate explain DPM301",
        "DPM301 by hand: train on the loader that make_private returned",
    ]


def test_faults_are_counted_not_the_checks_that_show_them() -> None:
    assert (
        failures(report("DPM101", "DPM101"))
        == "1 fault (DPM101 ghost-batch-memory-manager), seen by 2 checks"
    )
    said = "2 faults (DPM301 private-loader-unused, no rule), seen by 2 checks"
    assert failures(report("DPM301", None)) == said


def test_an_unsafe_fix_is_asked_for_as_such() -> None:
    assert (
        next_steps(report("DPM410"))[0] == "next: dpmigrate explain DPM410; dpmigrate fix --unsafe train.py"
    )


@pytest.mark.parametrize("rules", [(), (None,), ("DPM999",)])
def test_nothing_is_said_where_no_rule_was_named(rules: tuple[str | None, ...]) -> None:
    assert next_steps(report(*rules)) == []


def test_what_is_no_file_is_not_to_be_fixed() -> None:
    assert next_steps(report("DPM101", target="package.module")) == ["next: dpmigrate explain DPM101"]
