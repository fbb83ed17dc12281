"""DP optimizers that the project has written itself, and that clip by a rule of their own.

Such a rule may bound every example and be none of DP-SGD's (automatic clipping, say): the textbook sum is
not what it promises, and only its sensitivity can be judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dpmigrate.runtime.report_types import Check
from dpmigrate.runtime.run.figures import relative
from dpmigrate.runtime.run.records import EngineRecord, RunRecord


def ignores_bound(script_engine: EngineRecord, moved: EngineRecord, limit: float) -> bool:
    """Whether an optimizer of the project's own sums the same when another C is put in its place."""
    if not script_engine.own_clipping or not script_engine.steps or not moved.steps:
        return False
    first, second = script_engine.steps[0], moved.steps[0]
    if first.value is None or second.value is None or first.batch_digest != second.batch_digest:
        return False
    return relative(second.value, first.value) <= limit


def needs_sensitivity(script_run: RunRecord, checks: Sequence[Check]) -> bool:
    """Whether some check can only be read with the sensitivity at hand."""
    return any(_by_rule_of_its_own(script_run, check) for check in checks)


def excused(script_run: RunRecord, checks: Sequence[Check]) -> list[Check]:
    """The checks, those against the textbook sum left out where another rule of clipping holds its bound."""
    bounded = {c.engine for c in checks if c.name == "sensitivity" and c.passed}
    return [
        replace(check, passed=None, detail=_why(script_run.engines[check.engine]))
        if check.engine in bounded and _by_rule_of_its_own(script_run, check)
        else check
        for check in checks
    ]


def _by_rule_of_its_own(script_run: RunRecord, check: Check) -> bool:
    failed = check.passed is False and check.rule is None and check.name.startswith("parity")
    engine = script_run.engines[check.engine]
    return failed and bool(engine.own_clipping or engine.padded)


def _why(engine: EngineRecord) -> str:
    if engine.own_clipping:
        return (
            f"{engine.own_clipping} clips by a rule of its own: there is no textbook sum to compare with, "
            "and its sensitivity is what counts"
        )
    return (
        f"Opacus gives the row of padding_idx in {', '.join(engine.padded)} a gradient, autograd does not: "
        "examples are clipped a little otherwise, and the sensitivity is what counts"
    )
