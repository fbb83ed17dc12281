"""DP optimizers that a project has written itself: right by the textbook, by another rule, and wrong."""

from __future__ import annotations

import pytest

from tests.verify.warm import verify

pytestmark = [pytest.mark.opacus, pytest.mark.slow]


@pytest.mark.parametrize(("rule", "median"), [("copied", True), ("fixed", False)])
def test_optimizer_that_keeps_its_own_bound_passes(rule: str, median: bool) -> None:
    done = verify("1.6.0", "--checks", "parity", "train_own_optimizer.py", "--", rule)
    assert done.status == 0, (done.report, done.stderr[-2000:])
    assert done.check("parity-clipped-sum")["passed"] is True
    assert ("C at the median norm" in str(done.report["checks"])) is median


def test_another_rule_is_left_to_its_sensitivity() -> None:
    done = verify("1.6.0", "train_own_optimizer.py", "--", "automatic")
    assert done.status == 0, (done.report, done.stderr[-2000:])
    parity = done.check("parity-clipped-sum")
    assert parity["passed"] is None
    assert parity["detail"].startswith("OwnOptimizer clips by a rule of its own")
    assert done.check("sensitivity")["passed"] is True


def test_another_rule_without_a_bound_fails() -> None:
    done = verify("1.6.0", "--checks", "parity,sensitivity", "train_own_optimizer.py", "--", "unbounded")
    assert done.status == 1
    assert {name for name, _ in done.failing} == {"parity-clipped-sum", "parity-step", "sensitivity"}
