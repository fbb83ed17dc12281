"""One verification: the runs of the script that it takes, and the report made of them."""

from __future__ import annotations

import hashlib
import math
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from dpmigrate.model import CHECK_NAMES
from dpmigrate.runtime.features import opacus_version
from dpmigrate.runtime.report_types import Check, ClippingReport, Engine
from dpmigrate.runtime.run.experiments.audit import Auditor
from dpmigrate.runtime.run.experiments.removal import Removal, Remover
from dpmigrate.runtime.run.judging import audit_verdict, conduct, foreign, noise_verdicts, peers, verdicts
from dpmigrate.runtime.run.places import STARTED_IN, folder_of, in_cell, is_library, shown_path, shown_place
from dpmigrate.runtime.run.processes import ranks
from dpmigrate.runtime.run.processes.plan import NoVerdict, Runner
from dpmigrate.runtime.run.processes.which_opacus import script_folder
from dpmigrate.runtime.run.records import EngineRecord, RunRecord
from dpmigrate.runtime.run.request import Request
from dpmigrate.runtime.run.watching.state import MOST_JUDGED, RunSettings, Watch
from dpmigrate.versions.judged import other_than_pinned

NO_RUN = "no private run was seen: neither PrivacyEngine.make_private nor a DP optimizer was ever called"

NEAR = 60.0
"""Seconds for which the script is run once more to where its loss begins to be made in another way."""

PARITY = ("parity-clipped-sum", "parity-norms", "parity-step")


def verify(runner: Runner) -> dict[str, Any]:
    """The report of one script, as JSON-ready data. Raises NoVerdict with one sentence."""
    script_run, checks = make_runs(runner)
    return report(runner.request, script_run, checks)


def make_runs(runner: Runner) -> tuple[RunRecord, list[Check]]:
    """Every run of the script that a verification takes, and the checks that they allow."""
    request = runner.request
    steps = request.steps
    script_run = runner.run(
        RunSettings(steps, oracle=True, watch=0.9 * request.timeout),
        seed=request.seed,
        loud=True,
        label="the script as it is, noise off, against the oracle",
    )
    require_steps(script_run, steps, request)
    if request.wants("accounting"):
        with suppress(NoVerdict):  # another run may take too long
            _trace_weights(runner, script_run)
    engines = max(1, sum(bool(e.steps) for e in script_run.engines))
    others = []
    if script_run.rank == 0:
        others = ranks.peers(runner.folder, runner.count, request.timeout, script_run.world)
    checks = []
    for i, engine in enumerate(script_run.engines):
        oracle = verdicts.against_oracle(engine, i)
        named = {c.rule for c in oracle if c.passed is False}
        checks += oracle
        if verdicts.nonfinite(engine):
            continue
        checks += [c for c in conduct.late_faults(engine, i) if c.rule not in named]
        checks += conduct.conduct(script_run, i)
        checks += noise_verdicts.noise_std(engine, i)
    checks += peers.peer_checks(others)
    checks += peers.sampling_check(script_run, others)
    if any(verdicts.nonfinite(e) for e in script_run.engines) or not any(e.steps for e in script_run.engines):
        return script_run, [c for c in checks if request.wants(c.name)]
    if request.wants(*PARITY):
        checks += _at_the_median(runner, script_run, checks, engines)
        checks += _other_mode(runner, script_run, checks, engines)
    written = request.wants("private-step") and any(map(conduct.is_written, script_run.engines))
    if request.wants("sensitivity") or foreign.needs_sensitivity(script_run, checks) or written:
        more = _sensitivity(runner, script_run, checks, engines)
        failed = {(c.name, c.engine) for c in more if c.passed is False}
        # A failing check takes the place of a passed one of its name.
        checks = [c for c in checks if not c.passed or (c.name, c.engine) not in failed] + more
    if request.wants("noise-fresh", "reproducible"):
        checks += _noise(runner, script_run, engines)
    checks = _placed(script_run, verdicts.attributed(foreign.excused(script_run, checks)))
    wanted = [c for c in checks if request.wants(c.name)]
    if request.audit:
        audits, script_run.audit = _audit(runner, script_run, checks, engines)
        wanted += audits
    return script_run, wanted


def _placed(script_run: RunRecord, checks: list[Check]) -> list[Check]:
    """The checks, where each fault of clipping is named with the line that goes backward."""
    first: dict[tuple[int, str | None], str] = {}
    result = []
    for check in checks:
        place = script_run.engines[check.engine].backward
        if check.passed is False and place and check.name in (*PARITY, "sensitivity"):
            said = first.setdefault((check.engine, check.rule), check.detail)
            if check.detail == said:
                check = replace(check, detail=f"{said} (backward() at {place})")
        result.append(check)
    return result


def require_steps(record: RunRecord, enough: int, request: Request) -> None:
    """Raise NoVerdict unless the run reached a logical step, and ``enough`` of them if it failed later."""
    trained = any(e.steps or e.steps_without_noise for e in record.engines)
    if record.elsewhere:
        raise NoVerdict(
            f"the script changes sys.path and imports the Opacus in {record.elsewhere}, while the one in "
            f"{folder_of('opacus')} was loaded to be judged: put the folder that holds the former first on "
            "PYTHONPATH"
        )
    if record.sharded:
        raise NoVerdict(
            "the script shards its parameters over processes (FSDP2 or tensor parallel), where none holds a "
            "gradient that could be judged: verify the model as it was before, in one process"
        )
    if record.gpu:
        raise NoVerdict(f"the script needs a GPU, and there is none here: {record.error}")
    # Steps without noise are a verdict of their own; accountants that heard of no step raise when asked.
    far = any(len(e.steps) >= enough or e.steps_without_noise for e in record.engines)
    if record.outcome == "raised" and not far:
        hints = [record.advice, _pinned(request)]
        raise NoVerdict("; ".join([f"the script raised {record.error}", *(hint for hint in hints if hint)]))
    if trained:
        return
    if record.outcome == "exited":
        said = f": {record.error}" if record.error else ""
        raise NoVerdict(
            f"the script exited with status {record.exit_code} before its first private step{said}"
        )
    if not record.engines:
        other = f"; it runs another program, which is to be verified itself: {record.started}"
        raise NoVerdict(NO_RUN + other * bool(record.started))
    first = record.engines[0]
    where = f"engine made at {shown_place(first.path, first.line)}"
    raise NoVerdict(f"the script ended without one private step ({where}): what it printed may say why")


def _trace_weights(runner: Runner, script_run: RunRecord) -> None:
    """Find runs whose first weights come from an earlier run in whatever way: noise in that moves them."""
    engines, begun = script_run.engines, [e.begun for e in script_run.engines]
    doubtful = [i for i, e in enumerate(engines) if e.unheard and begun.index(e.begun) == i][:MOST_JUDGED]
    if not doubtful or script_run.world > 1 or any(e.resumed for e in engines):
        return
    settings = RunSettings(1, quiet=False, keep_vectors=False, engines=doubtful[-1] + 1)
    noisy = runner.run(settings, seed=runner.request.seed, label="the noise left on").engines
    for i in (i for i in doubtful if i < len(noisy) and noisy[i].releases):
        own, other = engines[i].releases[0], noisy[i].releases[0]
        # What was drawn at random up to there is the same: only what was trained makes the difference.
        alike = own.generator_state == other.generator_state and begun[0] == noisy[0].begun
        if alike and begun[i] != noisy[i].begun:
            engines[i].resumed = engines[i].unheard


def _at_the_median(runner: Runner, script_run: RunRecord, checks: list[Check], engines: int) -> list[Check]:
    """The clipped sum again, with C between the norms of the first step, where the script's C hides faults.

    With every example clipped a fault of scale cannot be seen, with none a missing clipping. Left out
    where the script's own C fails already: a second failure would say nothing new.
    """
    failed = {c.engine for c in checks if c.passed is False}
    bounds = {}
    for index, engine in enumerate(script_run.engines):
        bound = verdicts.telling_bound(engine)
        if bound is not None and index not in failed:
            bounds[index] = bound
    if not bounds or script_run.world > 1:
        # Ranks have norms of their own, and would not agree on whether to run.
        return []
    settings = RunSettings(1, oracle=True, bounds=bounds, engines=engines)
    record = runner.run(settings, seed=runner.request.seed, label="C at the median norm, against the oracle")
    return [
        verdicts.at_bound(record.engines[i], i, bound)
        for i, bound in bounds.items()
        if i < len(record.engines)
        and record.engines[i].steps
        and not foreign.ignores_bound(
            script_run.engines[i], record.engines[i], verdicts.limit_for(script_run.engines[i])
        )
    ]


def _other_mode(runner: Runner, script_run: RunRecord, checks: list[Check], engines: int) -> list[Check]:
    """Run the script under the other mode from the same parameters at every step, and compare."""
    result: list[Check] = []
    partners = {i: _partner(e) for i, e in enumerate(script_run.engines) if e.steps}
    replay = [[s.after for s in e.steps if s.after is not None] for e in script_run.engines]
    for mode in sorted({m for m in partners.values() if m}):
        settings = RunSettings(runner.request.steps, mode=mode, replay=replay, engines=engines)
        other = runner.run(settings, seed=runner.request.seed, label=f"the same script under {mode}")
        for index, engine in enumerate(script_run.engines):
            if partners.get(index) != mode:
                continue
            right = _own_is_right([c for c in checks if c.engine == index])
            if other.outcome == "raised" or index >= len(other.engines):
                result.append(verdicts.unsupported(f"under {mode} the script raises {other.error}", index))
                # What several processes hand on is the sum of all, which the oracle of one does not have.
                result += verdicts.step_against_oracle(engine, index) if script_run.world == 1 else []
            else:
                result += verdicts.against_other_mode(engine, other.engines[index], index, mode, right)
    for index, partner in partners.items():
        if partner is None and script_run.world == 1:
            result += verdicts.step_against_oracle(script_run.engines[index], index)
    return result


def _own_is_right(checks: list[Check]) -> bool | None:
    """What the oracle says of a script's sums: None where it had nothing to say and nothing else failed."""
    # Shifted boundaries are those of the batches: each sum may still be right for what went into it.
    if any(c.passed is False and c.name in (*PARITY, "sensitivity") for c in checks):
        return False
    return True if any(c.passed and c.name == "parity-clipped-sum" for c in checks) else None


def _partner(engine: EngineRecord) -> str | None:
    """The mode to compare with; None where the script cannot run in another one."""
    if engine.manual or engine.adaptive or engine.per_layer or engine.mode == "no_op":
        # A script in no_op mode makes its per-sample gradients itself: no other mode has a use for them.
        return None
    if "ghost" in engine.mode:
        # Loops of the API before the wrapped criterion ask the model for coefficients that hooks lack.
        return "hooks" if engine.wrapped_api else None
    return "ghost"


def _sensitivity(runner: Runner, script_run: RunRecord, checks: list[Check], engines: int) -> list[Check]:
    """Leave each example of one logical batch out in turn, through the script's own loop."""
    trained = [i for i, e in enumerate(script_run.engines) if e.steps]
    if script_run.world > 1:
        why = "left to the oracle in a distributed run, whose processes cannot be run again one by one"
        return [Check("sensitivity", None, engine=i, detail=why) for i in trained]
    steps = min(runner.request.steps, *(len(script_run.engines[i].steps) for i in trained)) if trained else 1
    proved = [i for i in trained if _own_is_right([c for c in checks if c.engine == i])]
    writing = [i for i in trained if conduct.is_written(script_run.engines[i])]
    # Where all are clipped, nothing is seen of what scales the gradient of another.
    textbook = [(i, e) for i in proved if not (e := script_run.engines[i]).own_clipping]
    telling = [(i, verdicts.telling_bound(e) or 0.0, e.asked_norm or math.inf) for i, e in textbook]
    bounds = {i: bound for i, bound, own in telling if bound > own}

    def removed(last: int, first: int = 1) -> dict[int, Removal]:
        def prepare(watch: Watch) -> None:
            Remover(watch, last, runner.folder, proved, writing, first).install()

        settings = RunSettings(last, keep_vectors=False, engines=engines, bounds=bounds)
        record = runner.run(settings, seed=runner.request.seed, label="leaving examples out", prepare=prepare)
        return record.removal or {}

    def judged(i: int, removals: dict[int, Removal]) -> Check:
        check = verdicts.sensitivity(script_run, i, removals, checks)
        where = f" (at C {bounds[i]:.3g}, the median norm: the script's own clips all)" if i in bounds else ""
        return replace(check, detail=check.detail + where)

    removals = removed(steps)
    result = [judged(i, removals) for i in trained]
    # A later step whose loss is made in another way may join the examples as none of the first does.
    right = {c.engine for c in result if c.passed} & set(proved)
    far = {i: (e := script_run.engines[i]).otherwise * min(s.seconds for s in e.steps) for i in right}
    later = {i: script_run.engines[i].otherwise for i in right if 0 < far[i] < NEAR}
    for number in sorted(set(later.values())):
        with suppress(NoVerdict):  # it takes too long
            there = removed(number, number)
            for i in (i for i in later if later[i] == number):
                check = judged(i, there)
                if check.passed is not None:
                    script_run.engines[i].otherwise = 0
                    where = f"(step {number}, whose loss is made in another way)"
                    result.append(replace(check, detail=f"{check.detail} {where}"))
    return result + [
        c for i in trained if i in removals for c in conduct.written(script_run.engines[i], removals[i], i)
    ]


def _audit(
    runner: Runner, script_run: RunRecord, checks: list[Check], engines: int
) -> tuple[list[Check], list[dict[str, Any]]]:
    """Attack the steps, and hold what that proves to what the accountant was told: checks, and figures."""
    request, trained = runner.request, [i for i, e in enumerate(script_run.engines) if e.steps]

    def prepare(watch: Watch) -> None:
        Auditor(watch, request.steps, runner.folder, request.seed).install()

    # Each private run takes its time; those that are not reached are said.
    settings = RunSettings(request.steps, keep_vectors=False, engines=engines, grace=request.timeout / 2)
    record = runner.run(settings, seed=request.seed, label="attacking the steps", prepare=prepare)
    reached = [i for i in trained if i < len(record.engines)]
    pairs = [
        audit_verdict.audit_judged(record, i, script_run.engines[i].asked_delta, checks) for i in reached
    ]
    late = "the attacks on the runs before it took too long: see --timeout"
    missed = [Check("audit", None, engine=i, detail=late) for i in trained if i not in reached]
    return [check for check, _ in pairs] + missed, [figures for _, figures in pairs]


def _noise(runner: Runner, own: RunRecord, engines: int) -> list[Check]:
    request = runner.request
    twin, fresh = None, None
    if request.wants("reproducible"):
        settings = RunSettings(request.steps, engines=engines)
        twin = runner.run(settings, seed=request.seed, label="the same seed again")
    if request.wants("noise-fresh") and own.world == 1:
        settings = RunSettings(1, keep_vectors=False, engines=engines)
        fresh = runner.run(settings, seed=request.seed + 1_000_003, label="another seed")
    checks = []
    for i, engine in enumerate(own.engines):
        checks += noise_verdicts.noise_fresh(own, fresh, i)
        if twin is not None:
            other = twin.engines[i] if i < len(twin.engines) else None
            checks += noise_verdicts.reproducible(engine, other, i)
    return checks


def report(request: Request, script_run: RunRecord, checks: list[Check]) -> dict[str, Any]:
    """The JSON report; what stands beyond the contract's fields is under ``evidence``."""
    body, engines = clipping_report(request, script_run, checks).to_dict(), script_run.engines
    for engine, record in zip(body["engines"], engines, strict=True):
        engine["cell"], engine["line"] = in_cell(record.path, record.line)
        engine["optimizer"], engine["steps"] = record.optimizer, len(record.steps)
        engine |= _parameters(record)
    body["evidence"] = {
        "step_errors": [verdicts.step_errors(e) for e in engines],
        "target": request.target,
        "command": request.command,
        "seed": request.seed,
        "opacus_folder": _vendored(),
        "pinned": _pinned(request),
        "private_runs": _private_runs(request, script_run),
        "nothing_private": any(e.releases and not any(r.sigma for r in e.releases) for e in engines),
    }
    if script_run.audit:
        body["audit"] = script_run.audit
    return body


def clipping_report(request: Request, own: RunRecord, checks: list[Check]) -> ClippingReport:
    """What was checked. Raises NoVerdict where no check applies."""
    if not any(c.passed is not None for c in checks):
        said = checks[0].detail if checks else NO_RUN
        raise NoVerdict(f"no check applies to what the script did: {said}")
    steps = [step for engine in own.engines for step in engine.steps]
    norms = {step.max_grad_norm for step in steps}
    # An engine's checks stand together, in the order of the contract's names.
    order = {name: i for i, name in enumerate((*CHECK_NAMES, "audit"))}
    checks = sorted(checks, key=lambda c: (c.engine, order[c.name]))
    return ClippingReport(
        opacus=opacus_version(),
        torch=torch.__version__.split("+")[0],
        dtype=own.engines[0].dtype if own.engines else "float32",
        logical_steps=max((len(e.steps) for e in own.engines), default=0),
        physical_batches=tuple(sorted({len(step.physical) for step in steps})),
        engines=tuple(Engine(e.path, e.line, e.mode) for e in own.engines),
        files=tuple(_digests(request, own)),
        checks=tuple(checks),
        max_grad_norm=norms.pop() if len(norms) == 1 else None,
        measurements=tuple(verdicts.measurements(own)),
    )


def _parameters(record: EngineRecord) -> dict[str, Any]:
    """What a reviewer asks of a private run first."""
    first = record.releases[0] if record.releases else None
    norms = {"max_grad_norm": [r.max_grad_norm for r in record.releases]}
    moving = norms | {"noise_multiplier": [r.multiplier for r in record.releases]}
    return {
        "last": {name: values[-1] for name, values in moving.items() if values and values[0] != values[-1]},
        "watched_steps": len(record.releases),
        "backward": record.backward or None,
        "other_loss_from": record.otherwise or None,
        "max_grad_norm": first.max_grad_norm if first else None,
        "noise_multiplier": first.multiplier if first else None,
        "epsilon": record.epsilon[0] if record.epsilon else None,
        "delta": record.epsilon[1] if record.epsilon else None,
        "sample_rate": first.accounted[0][2] if first and first.accounted else None,
        "loader": record.loader,
        "population": record.population,
    }


def _private_runs(request: Request, script_run: RunRecord) -> dict[str, Any]:
    """What the verdict covers: runs judged of runs made (or asked for), and the script's end."""
    return {
        "seen": sum(bool(e.steps or e.steps_without_noise) for e in script_run.engines),
        "all": max(len(script_run.engines), request.engines or 0),
        "script": script_run.outcome,
        "compiled": script_run.compiled,
        "error": "; ".join(part for part in (script_run.error, script_run.advice) if part),
    }


def _pinned(request: Request) -> str | None:
    folder = Path(script_folder(request)).resolve()
    return other_than_pinned(folder, opacus_version(), shown_path, STARTED_IN)


def _vendored() -> str | None:
    """The folder of an Opacus that lies in the project itself; None for an installed one."""
    folder = shown_path(folder_of("opacus"))
    return None if is_library(f"{folder.rpartition('/')[0]}/x") or Path(folder).is_absolute() else folder


def _digests(request: Request, own: RunRecord) -> list[tuple[str, str]]:
    paths = list(own.files)
    if request.kind == "script":
        paths = [shown_path(request.target), *(p for p in paths if p != shown_path(request.target))]
    return [(p, hashlib.sha256(Path(p).read_bytes()).hexdigest()) for p in paths if Path(p).is_file()]
