"""Jobs of the `upgrade` strategy: the calls that share code or pins, moved to a newer Opacus as one.

Raising a pin changes what every run under it meets. So the runs under one pin are upgraded
together; one that cannot be, and that runs on the old API only, withholds them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import libcst as cst

from dpmigrate.advisories.evidence import versions_of
from dpmigrate.analysis.ledger import Backward, CoefficientAsked, DoubleBackward, PrivateRun, Unpack
from dpmigrate.analysis.ledger.models import SequenceLayer
from dpmigrate.codemods.editing.edits import ProjectEdits, Withheld
from dpmigrate.codemods.jobs import CallGroup, Job, MatchedFinding, group_by_call, reason_spoken
from dpmigrate.codemods.options import Options
from dpmigrate.codemods.pins import PinPlan, needed, pins_to_raise, plan_pins, release_needed
from dpmigrate.codemods.program.facts import FactsByPart
from dpmigrate.codemods.upgrade.checkpoints import drop_weights_only, states_of_before
from dpmigrate.codemods.upgrade.in_place import all_out_of_place, of_a_library
from dpmigrate.codemods.upgrade.moving import upgraded
from dpmigrate.project.users import users_of
from dpmigrate.versions.edit import DEFAULT_LOWER_BOUND
from dpmigrate.versions.releases import between

if TYPE_CHECKING:
    from dpmigrate.project import Project
    from dpmigrate.versions.pin import Pin


def upgrade_jobs(
    project: Project, facts: FactsByPart, found: Sequence[MatchedFinding], options: Options
) -> list[Job]:
    """The upgrades that some findings ask for, planned."""
    groups, loose = group_by_call(project, [f for f in found if "upgrade" in f[1].advisory.fix.strategies])
    pins_of = {node: pins_to_raise(project, g.runs, options) for node, g in groups.items() if g.ghost}
    jobs = []
    for component in _components(project, groups, pins_of):
        pins = list(dict.fromkeys(p for node in component for p in pins_of[node]))
        places = {(p.path, p.cell, p.line) for p in pins}
        of_component = [f for node in component for f in groups[node].matched]
        of_component += [f for f in loose if f[1].pin is not None and _place(f[1].pin) in places]
        if of_component:
            job = _planned(project, facts, [groups[n] for n in component], pins, of_component, options)
            alike = all(len(pins_of[node]) == len(pins) for node in component)
            job.governed = tuple(sorted(map(repr, places))) if alike else None
            jobs.append(job)
    return jobs


def _place(pin: Pin) -> tuple[str, int | None, int]:
    return (pin.path, pin.cell, pin.line)


def _components(
    project: Project, groups: dict[cst.CSTNode, CallGroup], pins_of: dict[cst.CSTNode, list[Pin]]
) -> list[list[cst.CSTNode]]:
    """Calls that share a pin or a place of their training code, directly or through others.

    Also those on the old API that one file comes to: with one of them moved, no release runs that file.
    """
    parent: dict[object, object] = {}

    def find(x: object) -> object:
        while parent.setdefault(x, x) is not x:
            x = parent[x]
        return x

    for node, pins in pins_of.items():
        for pin in pins:
            parent[find(_place(pin))] = find(node)
        if _old_only(groups[node], project):
            for path in users_of(project, groups[node].runs[0].module):
                parent[find(path)] = find(node)
        for run in groups[node].runs:
            for event in run.events:
                if isinstance(event, (Backward, DoubleBackward, Unpack, CoefficientAsked)):
                    parent[find(event.origin.node)] = find(node)
    by_root: dict[object, list[cst.CSTNode]] = {}
    for node in pins_of:
        by_root.setdefault(find(node), []).append(node)
    return list(by_root.values())


def _planned(
    project: Project,
    facts: FactsByPart,
    groups: Sequence[CallGroup],
    pins: Sequence[Pin],
    concerned: list[MatchedFinding],
    options: Options,
    apart: bool = False,
) -> Job:
    """The upgrade of some calls and their pins; ``apart``: with a criterion of each run's own."""
    job = Job(list(concerned), [r for g in groups for r in g.runs], upgrades=True)
    if not apart:
        job.apart = partial(_planned, project, facts, groups, pins, concerned, options, apart=True)
    try:
        refusal = _rewrite(job, project, facts, groups, bool(pins), apart)
        if not job.matched:
            return Job(left=job.left)
        if refusal is not None and not job.runs:
            raise refusal  # no run under the pins is moved, so they stay
        bound = _release(job, facts, groups, pins, options)
        job.pins, bound = _pins_planned(job, pins, bound, options, project)
        job.bound = bound
        job.notices += job.pins.notices
        for group in groups if pins else ():
            job.notices += states_of_before(facts.of(group.runs[0].module), bound)
        reported = {_place(match.pin) for _, match in concerned if match.pin is not None}
        for pin, notice in job.pins.stuck:
            if _place(pin) in reported:
                raise Withheld(notice)
        if not pins and job.edits.touched() and not options.at(job.runs[0].module.path).assumed:
            job.notices += _undeclared(project, groups)
    except Withheld as withheld:
        if len(groups) > 1:
            withheld.reason += " (what shares pins or code is upgraded together or not at all)"
        job.withheld = withheld
    return job


def _pins_planned(
    job: Job, pins: Sequence[Pin], bound: str, options: Options, project: Project
) -> tuple[PinPlan, str]:
    """The pins raised, and to which release: within their caps to 1.5.3, where that will do for all runs."""
    try:
        return plan_pins(pins, options.unsafe, bound, project), bound
    except Withheld as capped:
        if bound != DEFAULT_LOWER_BOUND or not _trains_on_the_release_before(job, options):
            raise
        try:
            return plan_pins(pins, options.unsafe, "1.5.3", project), "1.5.3"
        except Withheld:
            raise capped from None


def _rewrite(
    job: Job, project: Project, facts: FactsByPart, groups: Sequence[CallGroup], raises: bool, apart: bool
) -> Withheld | None:
    """Plan the edits of all calls that need some; why one of them is left out, which runs nowhere now.

    ``raises``: with them the pins are raised. Raises `Withheld` where one that is left would break by that.
    """
    refusal: Withheld | None = None
    for group in _to_rewrite(groups):
        try:
            others = _taken_apart_alike(project, group)
            edits, notices = upgraded(facts.of(group.runs[0].module), group.runs, others, apart)
        except Withheld as withheld:
            if (raises or len(groups) > 1) and _old_only(group, project):
                raise
            refusal = withheld
            # It runs nowhere now, or alone, on the same Opacus as before: nothing is taken away from it.
            path = withheld.module.path if withheld.module is not None else group.runs[0].module.path
            job.left.append((path, reason_spoken(withheld), group.matched))
            job.matched = [f for f in job.matched if all(f is not other for other in group.matched)]
            job.runs = [r for r in job.runs if all(r is not other for other in group.runs)]
            continue
        job.edits.merge(edits)
        job.notices += notices
    return refusal


def _release(
    job: Job, facts: FactsByPart, groups: Sequence[CallGroup], pins: Sequence[Pin], options: Options
) -> str:
    """The release that pins are raised to, once the code is ready for it. Raises `Withheld`."""
    for group in groups if pins else ():
        job.edits.extend(drop_weights_only(facts.of(group.runs[0].module)))
    ghost = [run for run in job.runs if run.ghost]
    left = _in_place_left(facts, job, groups) if pins or job.edits.touched() else None
    if left is not None and not (pins and _trains_on_the_release_before(job, options)):
        raise left
    if of_a_library(ghost) and any(e for run in ghost for e in run.happened(SequenceLayer)):
        raise Withheld(
            "Opacus 1.5.4 is needed for the Linear layers on sequences, and the library's model changes "
            "outputs of layers in place, which raises there: write the blocks of that model without "
            "in-place operations, or use one that has none"
        )
    bound = release_needed(job.runs, options, in_place=left is not None)
    if left is not None:
        job.stays_in_place = True
        job.notices.append(
            f"{job.runs[0].module.path}: the release is {bound} and not {DEFAULT_LOWER_BOUND}, which "
            f"would raise: {reason_spoken(left)}"
        )
    return bound


def _taken_apart_alike(project: Project, group: CallGroup) -> list[PrivateRun]:
    """Runs of other calls, in modes that are not ghost, whose results the same code takes apart."""
    assert project.program is not None

    def places(run: PrivateRun) -> set[cst.CSTNode]:
        return {e.origin.node for e in run.happened(Unpack)}

    own = set().union(*(places(run) for run in group.runs if run.ghost))
    call = group.runs[0].origin.node
    others = (r for r in project.program.runs if not r.ghost and r.origin.node is not call)
    return [r for r in others if not own.isdisjoint(places(r))]


def _in_place_left(facts: FactsByPart, job: Job, groups: Sequence[CallGroup]) -> Withheld | None:
    """Plan new tensors for what the models change in place; where one has to stay, why."""
    edits = ProjectEdits()
    try:
        for group in groups:
            edits.extend(all_out_of_place(facts.of(group.runs[0].module), group.runs))
    except Withheld as withheld:
        return withheld
    job.edits.merge(edits)
    return None


def _trains_on_the_release_before(job: Job, options: Options) -> bool:
    """Whether 1.5.3, on which operations in place do no harm, will do for all runs of a job."""
    asked = options.at(job.runs[0].module.path).lower_bound
    return (
        (asked is None or asked.version == "1.5.3")
        and needed(job.runs, "1.5.3") == "1.5.3"
        and not any(e for run in job.runs if run.ghost for e in run.happened(SequenceLayer))
    )


def _undeclared(project: Project, groups: Sequence[CallGroup]) -> list[str]:
    """What to install where no dependency file says anything about Opacus."""
    path = groups[0].runs[0].module.path
    if project.declarations is not None and project.declarations.declared_for(path).pins:
        return []
    bound = needed([r for g in groups for r in g.runs])
    wanted = "opacus>=1.5.3 (1.5.4 is better)" if bound == DEFAULT_LOWER_BOUND else f"opacus>={bound}"
    return [f"{path}: no dependency file names Opacus: this code needs {wanted}"]


def _to_rewrite(groups: Sequence[CallGroup]) -> list[CallGroup]:
    """The calls whose code has to change, and those that share a wrong loss with one, which is found once."""
    needing = [group for group in groups if _needs_rewriting(group)]
    wrong = {node for group in needing for node in _wrong_losses(group)}
    shares = (not wrong.isdisjoint(_wrong_losses(group)) for group in groups)
    return [g for g, shared in zip(groups, shares, strict=True) if shared or any(g is n for n in needing)]


def _wrong_losses(group: CallGroup) -> list[cst.CSTNode]:
    """The backward passes of ghost runs whose losses another criterion makes than the returned one."""
    passes = (e for run in group.runs if run.ghost for e in run.happened(Backward))
    return [e.origin.node for e in passes if e.loss != "returned-criterion"]


def _needs_rewriting(group: CallGroup) -> bool:
    """Whether code has to change: it shows the old API, takes three results, or has a finding of its own."""
    if any(match.advisory.fix.rewrites for _, match in group.matched):
        return True
    for run in group.runs:
        if not run.ghost:
            continue
        if any(isinstance(e, (DoubleBackward, CoefficientAsked)) for e in run.events) or run.argument(
            "clipping"
        ):
            return True
        if any(e.count == 3 for e in run.happened(Unpack)):
            return True
    return False


def _old_only(group: CallGroup, project: Project) -> bool:
    """Whether a call's code can only run on releases before the wrapped criterion."""
    new = between("1.5.3")
    return any(r.ghost and not versions_of(r, project.declarations, None).evidence & new for r in group.runs)
