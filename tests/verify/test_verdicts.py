"""Every fault that verify promises to name fails by name, and its right twin passes, on real Opacus."""

from __future__ import annotations

import pytest

from tests.verify.warm import verify

pytestmark = [pytest.mark.opacus, pytest.mark.slow]


@pytest.mark.parametrize(
    ("version", "script"),
    [
        ("1.5", "train_old.py"),
        ("1.5.1", "train_old.py"),
        ("1.5.2", "train_old.py"),
        ("1.5.3", "train_ghost.py"),
        ("1.5.4", "train_ghost.py"),
        ("1.6.0", "train_ghost.py"),
    ],
)
def test_right_script_passes_on_every_release(version: str, script: str) -> None:
    done = verify(version, script)
    assert done.status == 0, done.stderr
    assert done.report["passed"] is True
    assert done.report["opacus"] == version
    assert done.report["logical_steps"] == 2
    assert max(done.report["physical_batches"]) > 1
    ran = {c["name"] for c in done.report["checks"] if c["passed"] is True}
    expected = {"parity-clipped-sum", "parity-norms", "parity-step", "sensitivity", "noise-std"}
    assert expected | {"noise-fresh", "reproducible"} <= ran
    # A pair made by hand has no private loader.
    assert {"private-step", "accounting"} <= ran
    assert done.check("parity-clipped-sum")["value"] <= 1e-6


@pytest.mark.parametrize(
    ("variant", "checks"),
    [
        ("workers", "parity,sensitivity,reproducible"),
        ("double", "parity,noise"),
        ("weights", "parity"),
        ("entropy", "noise"),
        ("seeded", "noise"),
        ("swallows", "parity,noise"),
    ],
)
def test_right_variants_raise_no_alarm(variant: str, checks: str) -> None:
    done = verify("1.6.0", "--checks", checks, "train_ghost.py", "--", variant)
    assert done.status == 0, (done.report, done.stderr)
    if variant == "double":
        assert done.report["dtype"] == "float64"
        assert done.check("parity-clipped-sum")["limit"] == 1e-12
    if variant in ("seeded", "entropy"):
        name = "noise-fresh" if variant == "seeded" else "reproducible"
        assert done.check(name)["passed"] is None
    if variant == "weights":
        modes = [c for c in done.report["checks"] if c["detail"].startswith("hooks against ghost")]
        assert [c["passed"] for c in modes] == [None, None]


@pytest.mark.parametrize(
    ("version", "script", "fault", "check", "rule"),
    [
        ("1.5.2", "train_old.py", "in-place", "parity-clipped-sum", "DPM101"),
        ("1.5.2", "train_old.py", "norm", "parity-clipped-sum", "DPM102"),
        ("1.5.4", "train_ghost.py", "unwrapped", "parity-clipped-sum", "DPM103"),
        ("1.6.0", "train_ghost.py", "unwrapped", "parity-clipped-sum", "DPM103"),
        ("1.6.0", "train_ghost.py", "functional", "parity-clipped-sum", "DPM104"),
        ("1.5.3", "train_ghost.py", "column-loss", "parity-clipped-sum", "DPM105"),
        ("1.6.0", "train_ghost.py", "column-loss", "parity-clipped-sum", "DPM105"),
        ("1.6.0", "train_ghost.py", "penalty", "parity-clipped-sum", "DPM107"),
        ("1.6.0", "train_ghost.py", "clip-again", "parity-clipped-sum", "DPM109"),
        ("1.6.0", "train_ghost.py", "bare-generator", "noise-fresh", "DPM201"),
        ("1.6.0", "train_ghost.py", "raw-optimizer", "private-step", "DPM120"),
    ],
)
def test_fault_fails_by_name(version: str, script: str, fault: str, check: str, rule: str | None) -> None:
    # What leaving examples out says beside it has tests of its own.
    done = verify(version, "--checks", "parity,noise,private-step", script, "--", fault)
    assert done.status == 1, done.stderr
    assert done.report["passed"] is False
    assert (check, rule) in done.failing
    others = {r for _, r in done.failing} - {rule, None}
    assert not others


def test_memory_manager_fault_is_seen_by_leaving_one_example_out() -> None:
    done = verify("1.5.2", "--checks", "parity,sensitivity", "train_old.py", "--", "in-place")
    check = done.check("sensitivity")
    assert check["passed"] is False
    assert check["value"] > 1.5
    assert check["rule"] == "DPM101"
    assert "twice the last physical batch" in done.check("parity-clipped-sum")["detail"]


def test_two_faults_are_both_named() -> None:
    done = verify("1.5.2", "--checks", "parity,sensitivity", "train_old.py", "--", "both")
    assert {("parity-clipped-sum", "DPM101"), ("parity-clipped-sum", "DPM102")} <= done.failing
    assert "DPM102 and DPM101 have a part in it together" in done.check("sensitivity")["detail"]
    assert done.stderr.count("FutureWarning") <= 1


def test_sensitivity_is_no_evidence_where_nothing_is_clipped() -> None:
    done = verify("1.6.0", "--checks", "parity,sensitivity", "train_ghost.py", "--", "unwrapped")
    check = done.check("sensitivity")
    assert check["passed"] is None
    assert check["detail"].startswith("nothing is clipped here")


@pytest.mark.parametrize("version", ["1.5.2", "1.6.0"])
def test_hooks_script_agrees_with_ghost_clipping(version: str) -> None:
    done = verify(version, "--checks", "parity", "train_hooks.py")
    assert done.status == 0, done.stderr
    modes = [c for c in done.report["checks"] if c["detail"].startswith("ghost against hooks")]
    assert [c["passed"] for c in modes] == [True, True]


def test_fault_of_scale_that_clipping_hides_is_seen_at_the_median_norm() -> None:
    done = verify("1.6.0", "--checks", "parity", "train_hooks.py", "--", "tripled")
    first, second = [c for c in done.report["checks"] if "hooks against the oracle" in c["detail"]] + [
        c for c in done.report["checks"] if c["passed"] is False
    ][:1]
    assert first["passed"] is True
    assert second["detail"].startswith("C at the median norm (")
    assert second["value"] > 0.1
    assert done.status == 1


def test_each_of_several_engines_is_reported() -> None:
    options = ("--engines", "2", "--checks", "parity,sensitivity")
    done = verify("1.6.0", *options, "train_hooks.py", "--", "two")
    assert done.status == 0, done.stderr
    assert [e["mode"] for e in done.report["engines"]] == ["hooks", "hooks"]
    assert {c["engine"] for c in done.report["checks"] if c["name"] == "parity-clipped-sum"} == {0, 1}
