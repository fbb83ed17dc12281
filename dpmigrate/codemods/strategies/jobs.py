"""Jobs of the strategies that keep the Opacus release: set-to-none, hooks, patch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dpmigrate.codemods.editing.edits import Withheld
from dpmigrate.codemods.jobs import CallGroup, Job, MatchedFinding, group_by_call
from dpmigrate.codemods.program.facts import FactsByPart
from dpmigrate.codemods.strategies.hooks import back_to_hooks
from dpmigrate.codemods.strategies.patch_core import is_patched, patch_core
from dpmigrate.codemods.strategies.set_to_none import set_to_none
from dpmigrate.model import Strategy

if TYPE_CHECKING:
    from dpmigrate.project import Project


def strategy_jobs(
    project: Project, facts: FactsByPart, found: Sequence[MatchedFinding], strategy: Strategy
) -> list[Job]:
    """One job for each call whose findings the strategy mends, planned."""
    mended = [(f, m) for f, m in found if strategy in m.advisory.fix.strategies]
    groups, _ = group_by_call(project, mended)
    return [_planned(project, facts, g, strategy) for g in groups.values() if g.matched]


def _planned(project: Project, facts: FactsByPart, group: CallGroup, strategy: Strategy) -> Job:
    job = Job(group.matched, group.runs)
    part_facts = facts.of(group.runs[0].module)
    try:
        if strategy == "set-to-none":
            job.edits = set_to_none(part_facts, group.runs)
        elif strategy == "hooks":
            job.edits = back_to_hooks(part_facts, group.runs)
        elif not is_patched(group.runs[0].module.tree):
            patch_core(project, part_facts, job)
    except Withheld as withheld:
        job.withheld = withheld
    return job
