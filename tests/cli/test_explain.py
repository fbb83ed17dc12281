"""``dpmigrate explain`` over the advisories that ship with the program."""

from __future__ import annotations

import pytest

from dpmigrate.advisories.catalogue import advisories
from tests.cli.conftest import Run


def test_without_a_rule_it_lists_them_all(run: Run) -> None:
    outcome = run("explain")
    assert (outcome.status, outcome.err) == (0, "")
    for item in advisories():
        assert f"{item.id}  {item.name}" in outcome.out


@pytest.mark.parametrize("rule", ["DPM101", "dpm101", "ghost-batch-memory-manager"])
def test_one_rule_is_printed_in_full(run: Run, rule: str) -> None:
    outcome = run("explain", rule)
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.startswith("DPM101 ghost-batch-memory-manager\n")
    for heading in ("What happens", "Why it matters", "Example", "Use instead", "Fix safety", "Versions"):
        assert f"## {heading}\n" in outcome.out


def test_a_prefix_lists_its_rules(run: Run) -> None:
    outcome = run("explain", "DPM4")
    assert outcome.status == 0
    assert "DPM401  double-backward" in outcome.out
    assert "DPM101" not in outcome.out


def test_an_unknown_rule_is_status_2(run: Run) -> None:
    outcome = run("explain", "double-backwards")
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err == "dpmigrate: 'double-backwards' is no rule. Did you mean 'double-backward'?\n"
