"""What ``verify`` says to do about the faults that it named."""

from __future__ import annotations

from typing import Any

import pytest

from dpmigrate.report.style import Style
from dpmigrate.report.verification.text import (
    checks_of,
    failures,
    meaning,
    next_steps,
    nothing_private,
    render_text,
    runs_alike,
)


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


def test_the_check_that_names_a_fault_stands_first() -> None:
    said = ("hooks against ghost", "examples-coupled: changing one half of a batch", "holds")
    checks = [
        {"passed": i == 2, "rule": None if i == 2 else "DPM124", "engine": 0, "detail": words}
        for i, words in enumerate(said)
    ]
    assert [c["detail"] for c in checks_of({"checks": checks}, 0)] == [said[1], said[0], said[2]]


def test_faults_are_counted_not_the_checks_that_show_them() -> None:
    assert (
        failures(report("DPM101", "DPM101"))
        == "1 fault (DPM101 ghost-batch-memory-manager), seen by 2 checks"
    )
    said = "2 faults (DPM301 private-loader-unused, without a rule of its own), seen by 2 checks"
    assert failures(report("DPM301", None)) == said


def test_an_unsafe_fix_is_asked_for_as_such() -> None:
    assert (
        next_steps(report("DPM410"))[0] == "next: dpmigrate explain DPM410; dpmigrate fix --unsafe train.py"
    )


def test_what_a_fault_leads_to_is_said_in_plain_words() -> None:
    told = report("DPM103", "DPM301", "DPM122") | {"engines": [{"epsilon": 8.85}, {"epsilon": None}]}
    assert meaning(told) == [
        "so what: one example can show more than epsilon 8.85 says; the model does not learn what the script "
        "asks for"
    ]
    assert meaning(report(None)) == ["so what: the steps are not those that epsilon counts on"]
    assert next_steps(report(None))[0].startswith("next: no rule has a name for it: look at what is done")
    assert meaning(report()) == []


def test_of_many_runs_those_without_a_fault_are_told_in_short() -> None:
    one = {"path": "train.py", "line": 3, "mode": "hooks", "backward": "train.py:9"}
    told = {"opacus": "1.6.0", "torch": "2.13.0", "dtype": "float32", "logical_steps": 3, "passed": False}
    checks = [
        {"name": name, "passed": passed, "value": None, "limit": None, "rule": rule, "engine": engine}
        | {"detail": f"words of {name}"}
        for engine, rule in enumerate((None, None, "DPM304"))
        for name, passed in (("accounting", rule is None), ("noise-fresh", None))
    ]
    text = render_text(told | {"physical_batches": [1], "engines": [one] * 3, "checks": checks})
    assert (
        "run 2: train.py:3 (hooks): backward() at train.py:9\n  pass  accounting\n  n/a   noise-fresh\n"
        in text
    )
    assert text.count("words of accounting") == 2 and "DPM304 words of accounting" in text


@pytest.mark.parametrize("rules", [(), ("DPM999",)])
def test_nothing_is_said_where_no_rule_was_named(rules: tuple[str | None, ...]) -> None:
    assert next_steps(report(*rules)) == []


def test_what_is_no_file_is_not_to_be_fixed() -> None:
    assert next_steps(report("DPM101", target="package.module")) == ["next: dpmigrate explain DPM101"]


def test_on_a_narrow_screen_the_words_stand_below_the_figures() -> None:
    one = {"path": "train.py", "line": 3, "mode": "ghost", "max_grad_norm": 1.0, "noise_multiplier": 2.0}
    engines = [one, one | {"last": {"noise_multiplier": 0.5}, "loader": "DPDataLoader", "population": 96}]
    check = {"name": "accounting", "passed": False, "value": 10, "limit": 40, "rule": "DPM307", "engine": 1}
    told = {"opacus": "1.6.0", "torch": "2.13.0", "dtype": "float32", "logical_steps": 3, "passed": False}
    told |= {"physical_batches": [1], "engines": engines, "checks": [check | {"detail": "lost " * 20}]}
    lines = render_text(told, Style(width=60)).splitlines()
    assert max(len(line) for line in lines if "next:" not in line) <= 60
    place = lines.index("  FAIL  accounting          10 of 40")
    assert lines[place + 1].startswith("        DPM307 lost lost")
    assert lines[place + 2].startswith("        lost")
    assert lines[place - 2 : place] == [
        "run 2: train.py:3 (ghost): C 1, sigma 2, sigma 0.5 at the",
        "  end, DPDataLoader of 96 records",
    ]
    assert "  FAIL  accounting          10 of 40              DPM307 lost" in render_text(told)
    assert "(DPM307 epsilon-misreported), seen by 1 check in run 2" in render_text(told)


def test_runs_of_a_sweep_are_told_together_where_only_figures_differ() -> None:
    engine = {"path": "train.py", "line": 3, "mode": "hooks", "noise_multiplier": 1.0}
    sweep: dict[str, Any] = {
        "engines": [engine | {"noise_multiplier": float(i > 0)} for i in range(10)],
        "checks": [{"name": "accounting", "passed": i != 6, "engine": i} for i in range(10)],
        "evidence": {"nothing_private": True},
    }
    assert runs_alike(sweep) == [[0], [1, 2, 3, 4, 5], [6], [7, 8, 9]]
    assert nothing_private(sweep) == "Nothing is private in 1 of 10 private runs: noise multiplier 0."
    sweep |= {"engines": sweep["engines"][:8], "checks": sweep["checks"][:8]}
    assert runs_alike(sweep) == [[i] for i in range(8)]
