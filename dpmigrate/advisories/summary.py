"""From private runs (one per context and mode) to the Run that reports show (one per call)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from dpmigrate.advisories.evidence import Assumed, same_calls, versions_of
from dpmigrate.advisories.facts.general import reset_to_none
from dpmigrate.advisories.parameters import parameters_asked
from dpmigrate.analysis.ledger import (
    Backward,
    Constant,
    DoubleBackward,
    FirstTouch,
    Generator,
    Given,
    ManagerUsed,
    PrivateRun,
    Unpack,
)
from dpmigrate.model import Loss, MemoryManagerUse, OpacusVersions, Place, Run, Seeding, Tri

if TYPE_CHECKING:
    from dpmigrate.project import Project
    from dpmigrate.versions.releases import VersionSet


def summarise(project: Project, assumed: Assumed) -> list[tuple[Run, list[PrivateRun]]]:
    """Every private training run of a project, in order of place, with the records behind it."""
    program = project.program
    out = []
    for part in program.parts if program is not None else ():
        groups: dict[int, list[PrivateRun]] = {}
        for run in part.runs:
            if run.manual and not run.ghost:
                continue
            groups.setdefault(id(run.origin.node), []).append(run)
        out += [(_summary(runs, project, assumed), runs) for runs in groups.values()]
    return sorted(
        out, key=lambda pair: (pair[0].path, -1 if pair[0].cell is None else pair[0].cell, pair[0].line)
    )


def _summary(runs: list[PrivateRun], project: Project, assumed: Assumed) -> Run:
    ghosts = [r for r in runs if r.ghost] or runs
    versions, sources = _versions(ghosts, project, assumed)
    asked = summarise, versions, versions.refs, sources
    if asked not in runs[0].known:
        runs[0].known[asked] = _summed_up(runs, ghosts, versions, sources)
    summary: Run = runs[0].known[asked]
    return summary


def _summed_up(
    runs: list[PrivateRun], ghosts: list[PrivateRun], versions: VersionSet, sources: tuple[Place, ...]
) -> Run:
    first = runs[0]
    place = first.module.place(first.origin.node)
    modes = tuple(sorted({mode for r in runs for mode in r.modes}))
    return Run(
        path=place.path,
        line=place.line,
        cell=place.cell,
        call=first.call,
        mode=modes,
        mode_certainty="definite" if len(modes) == 1 and modes[0] != "?" else "possible",
        mode_because=tuple(dict.fromkeys(_reasons(ghosts)))[:6],
        batch_memory_manager=_manager(ghosts),
        zero_grad_set_to_none=_agree(reset_to_none(r.happened(FirstTouch)) for r in ghosts),
        criterion_passed=_agree(r.argument("criterion").surely for r in ghosts),
        **parameters_asked(runs, versions),
        unpack=tuple(sorted({e.count for r in runs for e in r.happened(Unpack)})),
        loss=_loss(ghosts),
        noise_generator=_generator(r.draws_from for r in runs),
        loader_generator=_generator(loader.generator for r in runs for loader in r.loaders),
        global_seed=_seeded(runs),
        opacus=OpacusVersions(versions.spec(), sources),
    )


def _versions(
    runs: list[PrivateRun], project: Project, assumed: Assumed
) -> tuple[VersionSet, tuple[Place, ...]]:
    """The versions that some mode of a call can meet, and why."""
    alike = same_calls(runs)
    each = [
        versions_of(r, project.declarations, assumed(r.module.path), alike(r))
        for r in {r.mode: r for r in runs}.values()
    ]
    together = each[0].together
    for versions in each[1:]:
        together |= versions.together
    proofs = dict.fromkeys(p.place for versions in each for p in versions.proofs)
    return together or each[0].declared, (*each[0].sources, *proofs)


def _reasons(runs: Iterable[PrivateRun]) -> Iterable[Place]:
    for run in runs:
        for origin in run.mode_because:
            yield origin.module.place(origin.node, origin.text)


def _manager(runs: list[PrivateRun]) -> MemoryManagerUse | None:
    manager: MemoryManagerUse | None = None
    for run in runs:
        for event in run.happened(ManagerUsed):
            place = event.origin.module.place(event.origin.node)
            use = MemoryManagerUse(place.path, place.line, event.manager, run.certainty(event), place.cell)
            if manager is None or (manager.certainty == "possible" and use.certainty == "definite"):
                manager = use
    return manager


def _agree(answers: Iterable[Tri]) -> Tri:
    distinct = set(answers)
    return distinct.pop() if len(distinct) == 1 else None


def _loss(runs: list[PrivateRun]) -> Loss:
    kinds: set[Loss] = set()
    for run in runs:
        if any(True for _ in run.happened(DoubleBackward)):
            kinds.add("two-pass")
        backwards = list(run.happened(Backward))
        two_pass = any(e.loss == "two-pass" for e in backwards)
        for event in backwards:
            if two_pass and event.loss == "other" and event.retained:
                continue
            kinds.add(event.loss)
    if not kinds:
        return "unknown"
    return kinds.pop() if len(kinds) == 1 else "mixed"


def _generator(arguments: Iterable[Given]) -> Seeding:
    states: set[Seeding] = set()
    for given in arguments:
        for what in given.each:
            if isinstance(what, Generator):
                states |= what.states
            elif what == Constant(None):
                states.add("none")
            else:
                states.add("unknown")
    if not states:
        return "none"
    return states.pop() if len(states) == 1 else "unknown"


def _seeded(runs: list[PrivateRun]) -> Tri:
    answers = {run.seeded for run in runs}
    if True in answers:
        return True
    return None if None in answers else False
