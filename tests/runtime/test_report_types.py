"""Reports are read without torch: verdicts, JSON and the printed lines."""

from __future__ import annotations

import json
import math

from dpmigrate.runtime.report_types import UNSUPPORTED, Check, ClippingReport, Engine, Measurement


def report(*checks: Check) -> ClippingReport:
    return ClippingReport(
        "1.6.0", "2.13.0", "float32", 1, (1, 4), (Engine("a.py", 3, "ghost"),), checks=checks
    )


def test_nothing_ran_is_no_pass() -> None:
    assert not report().passed
    idle = report(Check("sensitivity", None, detail=UNSUPPORTED + "ghost: tied weights"))
    assert not idle.passed and not idle.failures and idle.checks[0].unsupported


def test_checks_that_do_not_apply_do_not_count_and_one_failure_decides() -> None:
    good, skipped = Check("noise-std", True, 0.01, 0.02), Check("noise-fresh", None)
    assert report(good, skipped).passed
    bad = Check("sensitivity", False, 2.0, 1.0001, "DPM101")
    failed = report(good, bad, Check("parity-step", False, rule="DPM101"))
    assert not failed.passed
    assert failed.rules == ("DPM101",)
    assert [c.name for c in failed.failures] == ["sensitivity", "parity-step"]


def test_json_is_strict_whatever_was_measured() -> None:
    measured = Measurement(0, "ghost", 4, math.inf, (1.0, math.nan), (1.0, 2.0), {"l1.weight": math.inf})
    whole = ClippingReport(
        "1.5.2",
        "2.13.0",
        "float32",
        1,
        (4,),
        files=(("a.py", "00"),),
        checks=(Check("parity-norms", False, math.nan, 1e-5),),
        max_grad_norm=0.5,
        measurements=(measured,),
    ).to_dict()
    again = json.loads(json.dumps(whole, allow_nan=False))
    assert again["checks"][0]["value"] is None
    assert again["measurements"][0]["norms"] == [1.0, None]
    assert again["files"] == [{"path": "a.py", "sha256": "00"}]
    assert again["schema"] == 1 and again["passed"] is False


def test_lines_show_figures_limits_and_rules() -> None:
    text = str(
        report(
            Check("sensitivity", False, 1.0007, 1.0001, "DPM101", detail="why"),
            Check("parity-step", True, 1.3e-7, 1e-5),
            Check("noise-fresh", None, detail="seeded on purpose"),
        )
    )
    assert text.splitlines() == [
        "Opacus 1.6.0, torch 2.13.0, float32: FAILED",
        "  FAIL  sensitivity         1.0007 > 1.0001       DPM101 why",
        "  pass  parity-step         1.30e-07 <= 1.00e-05",
        "  n/a   noise-fresh                               seeded on purpose",
    ]
