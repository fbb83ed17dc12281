"""Findings to planned jobs, by what they are about and the strategy that was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dpmigrate.analysis.ledger.analysed import Component
from dpmigrate.codemods.jobs import Job, MatchedFinding
from dpmigrate.codemods.options import Options
from dpmigrate.codemods.program.facts import Facts, FactsByPart
from dpmigrate.codemods.randomness.jobs import randomness_jobs
from dpmigrate.codemods.strategies.jobs import strategy_jobs
from dpmigrate.codemods.upgrade.in_place import in_place_jobs
from dpmigrate.codemods.upgrade.jobs import upgrade_jobs
from dpmigrate.codemods.zero_x.component import zero_x_jobs
from dpmigrate.model import STRATEGIES

if TYPE_CHECKING:
    from dpmigrate.advisories.matching import Match
    from dpmigrate.model import Finding
    from dpmigrate.project import Project


def plan_jobs(
    project: Project,
    matches: Sequence[MatchedFinding],
    options: Options,
    known: dict[Component, Facts] | None = None,
) -> list[Job]:
    """Every fix that the findings of a project admit, planned or withheld; unsafe ones only on request.

    ``known`` is for :class:`FactsByPart`.
    """
    if project.program is None:
        return []
    fixable = [
        (f, m) for f, m in matches if f.fix is not None and (f.fix.applicability == "safe" or options.unsafe)
    ]
    if not fixable:
        return []
    facts = FactsByPart(project.program, known)
    jobs = []
    for strategy in STRATEGIES:
        of_strategy = [(f, m) for f, m in fixable if options.at(_home(f, m)).strategy == strategy]
        if of_strategy and strategy == "upgrade":
            jobs += upgrade_jobs(project, facts, of_strategy, options)
        elif of_strategy:
            jobs += strategy_jobs(project, facts, of_strategy, strategy)
    jobs += zero_x_jobs(project, facts, fixable, options)
    return [*jobs, *in_place_jobs(facts, fixable), *randomness_jobs(project, facts, fixable, options)]


def _home(finding: Finding, match: Match) -> str:
    """The file whose options say how a finding is mended: that of its run."""
    return match.run.module.path if match.run is not None else finding.span.path
