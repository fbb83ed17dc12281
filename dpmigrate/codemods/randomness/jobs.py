"""Jobs about randomness: bare generators, and runs that the user wants to be repeatable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import libcst as cst

from dpmigrate.analysis.ledger import Generator, What
from dpmigrate.codemods.editing.edits import Withheld
from dpmigrate.codemods.jobs import Job, MatchedFinding
from dpmigrate.codemods.options import Options
from dpmigrate.codemods.program.facts import Facts, FactsByPart, making_node
from dpmigrate.codemods.randomness.devices import device_beside
from dpmigrate.codemods.randomness.generators import give_entropy, projects_seed, why_no_seed
from dpmigrate.codemods.randomness.seed_generators import seed_run

if TYPE_CHECKING:
    from dpmigrate.analysis.ledger import PrivateRun
    from dpmigrate.analysis.source.modules import ModuleInfo
    from dpmigrate.project import Project


def randomness_jobs(
    project: Project, facts: FactsByPart, found: Sequence[MatchedFinding], options: Options
) -> list[Job]:
    """One job for each generator, or run, that a finding is about."""
    jobs = []
    generators: dict[cst.CSTNode, list[MatchedFinding]] = {}
    modules: dict[cst.CSTNode, ModuleInfo] = {}
    for finding, match in found:
        if match.advisory.fix.concerns == "generator" and match.origin is not None:
            generators.setdefault(match.origin.node, []).append((finding, match))
            modules[match.origin.node] = match.origin.module
        elif match.advisory.fix.concerns == "seeding" and match.run is not None:
            jobs.append(_seeded(facts.of(match.run.module), (finding, match), options))
    for node, of_generator in generators.items():
        jobs.append(_with_entropy(facts.of(modules[node]), node, of_generator, options))
    return jobs


def _with_entropy(
    facts: Facts, node: cst.CSTNode, of_generator: list[MatchedFinding], options: Options
) -> Job:
    job = Job(of_generator, [m.run for _, m in of_generator if m.run is not None])
    seed = options.at(facts.module_of(node).path).seed
    if seed is None and options.unsafe:
        seed = projects_seed(facts, node)
    try:
        job.edits = give_entropy(facts, node, seed, _device(facts, node, job.runs))
    except Withheld as withheld:
        job.withheld = withheld
        return job
    place = facts.module_of(node).place(node)
    where = place.shown
    if seed is not None:
        job.notices.append(
            f"{where}: seeded by {seed}: the run repeats, and whoever knows the seed can subtract the noise"
        )
    return job


def _device(facts: Facts, node: cst.CSTNode, runs: Sequence[PrivateRun]) -> str:
    """The device of the generator that is made at a node, where it draws the noise of one run alone."""
    drawing = [r for r in runs if any(_is_made_at(drawn, node) for drawn in r.draws_from.each)]
    calls = {run.origin.node for run in drawing}
    return device_beside(facts, drawing[0], node) if len(calls) == 1 and isinstance(node, cst.Call) else ""


def _is_made_at(drawn: What, node: cst.CSTNode) -> bool:
    return isinstance(drawn, Generator) and making_node(drawn) is node


def _seeded(facts: Facts, found: MatchedFinding, options: Options) -> Job:
    finding, match = found
    assert match.run is not None
    job = Job([found], [match.run])
    node = match.run.origin.node
    seed = options.at(match.run.module.path).seed or projects_seed(facts, node)
    try:
        if seed is None:
            reason = f"{why_no_seed(facts, node)}: give one with --seed EXPR"
            raise Withheld(reason, match.run.module, node)
        job.edits = seed_run(facts, match.run, seed)
    except Withheld as withheld:
        job.withheld = withheld
        return job
    job.notices.append(
        f"{finding.span.path}:{finding.span.line}: seeded by {seed}: the run repeats, and whoever knows the "
        "seed can subtract the noise and knows the batches"
    )
    return job
