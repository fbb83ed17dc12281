"""From the guesses of an audit to its check and its part of the report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dpmigrate.runtime.report_types import Check, finite
from dpmigrate.runtime.run.experiments.audit import Audit, AuditedStep
from dpmigrate.runtime.run.experiments.audit_bound import epsilon_shown, gap_shown
from dpmigrate.runtime.run.judging.noise_verdicts import NOTHING_PRIVATE
from dpmigrate.runtime.run.records import EngineRecord, Release, RunRecord

DOUBT = 1e-3
"""Probability that the bound of a private run is above the truth: the false alarms of a right one."""

USUAL_DELTA = 1e-5
"""Delta where the script asks for none by ``target_delta``."""


@dataclass(frozen=True)
class Claim:
    """What an accountant says of the steps that were attacked."""

    mechanism: str
    epsilon: float
    steps: int


@dataclass(frozen=True)
class _Attack:
    """A step that was attacked, the gap that this proves, and the sampling rate that it is accounted at."""

    step: AuditedStep
    gap: float
    rate: float

    def to_dict(self) -> dict[str, Any]:
        step, sides = self.step, (self.step.absent, self.step.present)
        return {
            "step": step.number,
            "move": step.move,
            "sample_rate": self.rate,
            "draws": [side.drawn for side in sides],
            "wrong": [side.wrong for side in sides],
            "gap": self.gap,
        }


def audit_judged(
    run: RunRecord, index: int, asked: float | None, checks: Sequence[Check]
) -> tuple[Check, dict[str, Any]]:
    """The ``audit`` check of one private run, and its part of the report.

    ``run``: the one that was attacked; ``asked``: the script's own delta; ``checks``: those already made.
    """
    audit = (run.audit or {}).get(index)
    engine = run.engines[index]
    delta = asked or USUAL_DELTA
    body: dict[str, Any] = {"engine": index, "delta": delta, "confidence": 1 - DOUBT, "steps": []}

    def no(why: str) -> tuple[Check, dict[str, Any]]:
        return Check("audit", None, engine=index, detail=why), body | {"problem": why}

    problem = _not_to_be_judged(engine, audit)
    if problem or audit is None:
        return no(problem)
    releases = engine.releases[: len(engine.steps)]
    claim = _claim(run, engine, delta)
    if claim is None:
        return no("no accountant was told of these steps: there is nothing to hold them to")
    doubt = DOUBT / len(audit.steps)
    attacks = [
        _Attack(step, gap_shown(step.absent, step.present, doubt), _rate(releases, step))
        for step in audit.steps
    ]
    examples = {(s.example, s.factor) for s in audit.steps}
    # The bounds of all steps hold together: the best example may be picked afterwards.
    of_each = [[a for a in attacks if (a.step.example, a.step.factor) == e] for e in examples]
    bounds = [epsilon_shown([(a.gap, a.rate) for a in those], delta) for those in of_each]
    shown, attacks = max(zip(bounds, of_each, strict=True), key=lambda pair: pair[0])
    worst = max(attacks, key=lambda a: a.gap).step
    draws, wrong = sum(step.drawn for step in audit.steps), worst.absent.wrong + worst.present.wrong
    if not draws:
        return no(worst.problem or "no noise could be drawn again")
    times = f" (its floats times {worst.factor:g})" if worst.factor != 1 else ""
    times = times if math.isfinite(worst.factor) else " (its gradient at the model's output made very large)"
    body |= {
        "example": worst.example,
        "changed": times,
        "factor": worst.factor,
        "accountant": claim.mechanism,
        "epsilon_accountant": claim.epsilon,
        "epsilon_lower_bound": shown,
        "draws": draws,
        "steps": [a.to_dict() for a in attacks],
    }
    named = [c.rule for c in checks if c.engine == index and c.passed is False and c.rule]
    detail = (
        f"epsilon is at least this much ({100 * (1 - DOUBT):g} % sure), and at most that much by what the "
        f"{claim.mechanism} accountant was told of {claim.steps} step{'s' * (claim.steps != 1)} (delta "
        f"{delta:g}): example {worst.example} of the data{times} moves what receives the noise by "
        f"{worst.move:.4g} C in step {worst.number}, and {wrong} of {worst.drawn} guesses "
        "whether it was there were wrong"
    )
    detail += "; the random numbers of the loop are held, and known to the attacker" * audit.drew
    if run.world > 1:
        detail += f"; examples of the first of {run.world} processes are tried, and its sum alone"
    detail += "; the noisy count of adaptive clipping is not looked at" * engine.adaptive
    passed = shown <= claim.epsilon
    rule = named[0] if named and not passed else None
    return Check("audit", passed, shown, claim.epsilon, rule, index, detail), finite(body)


def _not_to_be_judged(engine: EngineRecord, audit: Audit | None) -> str:
    if audit is None or not engine.releases:
        return "the run made no such step"
    if not any(r.sigma > 0 for r in engine.releases):
        return NOTHING_PRIVATE
    if not audit.steps:
        return audit.problem or "no step could be run again"
    return ""


def _claim(run: RunRecord, engine: EngineRecord, delta: float) -> Claim | None:
    """What the accountant that heard most makes of what it was told in these steps; None if none heard."""
    told: dict[int, list[tuple[float, float]]] = {}
    for release in engine.releases[: len(engine.steps)]:
        for who, multiplier, rate in release.accounted:
            told.setdefault(who, []).append((multiplier, rate))
    if not told:
        return None
    who = max(told, key=lambda w: len(told[w]))
    history = [(multiplier, rate, 1) for multiplier, rate in told[who]]
    mechanism = run.accountants[who] if 0 <= who < len(run.accountants) else "prv"
    # The GDP accountant's central limit says too little of a few steps.
    names = ["prv" if mechanism == "gdp" else mechanism, "rdp"]
    for name in dict.fromkeys(names):
        try:
            return Claim(name, _epsilon(name, history, delta), len(history))
        except Exception:
            continue
    return None


def _epsilon(mechanism: str, history: list[tuple[float, float, int]], delta: float) -> float:
    from opacus.accountants import create_accountant

    if any(multiplier <= 0 for multiplier, _, _ in history):
        return math.inf
    accountant = create_accountant(mechanism)
    for multiplier, rate, _ in history:
        accountant.step(noise_multiplier=multiplier, sample_rate=rate)
    epsilon = float(accountant.get_epsilon(delta))
    if math.isnan(epsilon):
        raise ValueError("no number")
    return epsilon


def _rate(releases: Sequence[Release], step: AuditedStep) -> float:
    """The sampling rate that a step was accounted at; that of another one where it was not."""
    told = [r.accounted[0][2] for r in releases if r.accounted]
    here = releases[step.number - 1].accounted if step.number <= len(releases) else []
    return here[0][2] if here else told[0]
