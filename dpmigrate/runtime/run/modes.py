"""``--compare``: the script under several clipping modes, side by side."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

from dpmigrate.runtime.report_types import Check
from dpmigrate.runtime.run.figures import step_error
from dpmigrate.runtime.run.judging import verdicts
from dpmigrate.runtime.run.processes.plan import NoVerdict, Runner
from dpmigrate.runtime.run.records import EngineRecord, RunRecord
from dpmigrate.runtime.run.request import Request
from dpmigrate.runtime.run.verify import report, require_steps
from dpmigrate.runtime.run.watching.state import RunSettings

TIMED = 7
"""Logical steps that are timed at least, where the script makes so many."""


def compare_modes(request: Request, folder: Path) -> dict[str, Any]:
    """The report with one row a mode: seconds a logical step (median, least and most), peak memory, distance
    from the oracle.

    Each mode is run twice: once to be timed (nothing is recorded but the clock), once to be
    compared. The first engine of the script is the one that counts. Raises NoVerdict.
    """
    runner = Runner(request, folder)
    engines = request.engines or 1
    script_run = runner.run(
        RunSettings(request.steps, oracle=True, engines=engines),
        seed=request.seed,
        loud=True,
        label="the script as it is, against the oracle",
    )
    require_steps(script_run, 1, request)
    first = script_run.engines[0]
    if not first.steps:
        raise NoVerdict("the first private run of the script made no logical step: nothing can be timed")
    rows = [_row(runner, script_run, mode, engines) for mode in request.compare]
    checks = [c for i, e in enumerate(script_run.engines) for c in verdicts.against_oracle(e, i)]
    body = report(request, script_run, [*checks, *(_check(first, row) for row in rows)])
    body["compare"] = rows
    return body


def _row(runner: Runner, script_run: RunRecord, mode: str, engines: int) -> dict[str, Any]:
    request = runner.request
    row: dict[str, Any] = {"mode": mode, "seconds_per_step": None, "peak_bytes": None, "relative_error": None}
    # One step more than asked for: the first pays for what is loaded on first use.
    clock = RunSettings(max(request.steps, TIMED) + 1, mode=mode, keep_vectors=False, engines=engines)
    timed = runner.run(clock, seed=request.seed, label=f"{mode}: seconds and memory")
    if timed.outcome == "raised" or not timed.engines or not timed.engines[0].steps:
        return row | {"error": timed.error or "no logical step"}
    steps = timed.engines[0].steps
    seconds = [s.seconds for s in steps[1:] or steps]
    row["seconds_per_step"] = median(seconds)
    row["seconds_spread"], row["steps_timed"] = [min(seconds), max(seconds)], len(seconds)
    row["peak_bytes"] = timed.peak_bytes
    replay = [[s.after for s in e.steps if s.after is not None] for e in script_run.engines]
    settings = RunSettings(request.steps, mode=mode, replay=replay, engines=engines)
    compared = runner.run(settings, seed=request.seed, label=f"{mode}: parity")
    if compared.engines:
        row["relative_error"] = _distance(script_run.engines[0], compared.engines[0])
    return row


def _distance(script_engine: EngineRecord, other: EngineRecord) -> float | None:
    """The largest relative error of the clipped sum over the steps whose batches are the same."""
    pairs = zip(script_engine.steps, other.steps, strict=False)
    errors = [step_error(a, b) for a, b in pairs if a.batch_digest == b.batch_digest]
    return max((e for e in errors if e is not None), default=None)


def _check(script_engine: EngineRecord, row: dict[str, Any]) -> Check:
    limit, value = verdicts.limit_for(script_engine), row["relative_error"]
    if value is None:
        why = row.get("error", "no step could be compared")
        return Check("parity-clipped-sum", None, None, limit, None, 0, f"{row['mode']}: {why}")
    detail = f"{row['mode']} against the oracle: clipped sum on the same batches"
    return Check("parity-clipped-sum", value <= limit, value, limit, None, 0, detail)
