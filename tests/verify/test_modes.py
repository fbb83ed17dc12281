"""The rarer ways to per-sample gradients: expanded weights, functorch, own gradients, a bound a parameter."""

from __future__ import annotations

import pytest

from tests.verify.warm import verify

pytestmark = [pytest.mark.opacus, pytest.mark.slow]


@pytest.mark.parametrize(
    ("version", "arguments"),
    [
        ("1.5.2", ("ew",)),
        ("1.6.0", ("ew", "dropout")),
        ("1.6.0", ("functorch", "closure")),
        ("1.5.2", ("per_layer",)),
        ("1.6.0", ("per_layer", "dropout")),
        ("1.6.0", ("ghost", "closure")),
        ("1.6.0", ("hooks", "scaler")),
    ],
)
def test_right_script_agrees_with_the_oracle(version: str, arguments: tuple[str, ...]) -> None:
    done = verify(version, "--checks", "parity,sensitivity", "train_modes.py", "--", *arguments)
    assert done.status == 0, (done.report, done.stderr[-2000:])
    assert done.check("parity-clipped-sum")["passed"] is True
    assert done.check("sensitivity")["passed"] is True


@pytest.mark.parametrize("fault", ["scaled", "unclipped"])
def test_faults_of_clipping_by_parameter_fail(fault: str) -> None:
    done = verify("1.6.0", "--checks", "parity,sensitivity", "train_modes.py", "--", "per_layer", fault)
    assert done.status == 1
    assert ("parity-clipped-sum", None) in done.failing
    assert (("sensitivity", None) in done.failing) is (fault == "unclipped")


def test_fault_on_expanded_weights_fails() -> None:
    done = verify("1.6.0", "--checks", "parity", "train_modes.py", "--", "ew", "scaled")
    assert done.failing == {("parity-clipped-sum", None)}


@pytest.mark.parametrize("arguments", [("no_op",), ("no_op", "closure")])
def test_own_gradients_are_judged_by_their_sensitivity_alone(arguments: tuple[str, ...]) -> None:
    done = verify("1.6.0", "train_modes.py", "--", *arguments)
    assert done.status == 0, (done.report, done.stderr[-2000:])
    parity = done.check("parity-clipped-sum")
    assert parity["passed"] is None
    assert "makes its per-sample gradients itself" in parity["detail"]
    assert done.check("sensitivity")["passed"] is True
    assert done.check("reproducible")["passed"] is True


@pytest.mark.parametrize("mode", ["hooks", "ghost"])
def test_reentrant_checkpoints_have_no_oracle_and_break_nothing(mode: str) -> None:
    done = verify("1.6.0", "--checks", "parity,sensitivity", "train_modes.py", "--", mode, "checkpointed")
    assert done.status == 0, (done.report, done.stderr[-2000:])
    assert done.check("parity-clipped-sum")["passed"] is None
    assert done.check("sensitivity")["passed"] is True
    assert "the oracle agrees" not in str(done.report["checks"])
