"""Jobs of the strategies that keep the Opacus release: set-to-none, hooks, patch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dpmigrate.codemods.edits import Withheld
from dpmigrate.codemods.hooks import back_to_hooks
from dpmigrate.codemods.jobs import CallGroup, Found, Job, group_by_call
from dpmigrate.codemods.patch_core import REQUIREMENT, is_patched, patch_core
from dpmigrate.codemods.program_facts import FactsByPart
from dpmigrate.codemods.set_to_none import set_to_none
from dpmigrate.model import Strategy
from dpmigrate.versions.add import plan_add
from dpmigrate.versions.decoding import decode
from dpmigrate.versions.edit import Edit

if TYPE_CHECKING:
    from dpmigrate.project import Project


def strategy_jobs(
    project: Project, facts: FactsByPart, found: Sequence[Found], strategy: Strategy
) -> list[Job]:
    """One job for each call whose findings the strategy mends, planned."""
    mended = [(f, m) for f, m in found if strategy in m.advisory.fix.strategies]
    groups, _ = group_by_call(project, mended)
    return [_planned(project, facts, g, strategy) for g in groups.values() if g.found]


def _planned(project: Project, facts: FactsByPart, group: CallGroup, strategy: Strategy) -> Job:
    job = Job(group.found, group.runs)
    own = facts.of(group.runs[0].module)
    try:
        if strategy == "set-to-none":
            set_to_none(own, job.edits, group.runs)
        elif strategy == "hooks":
            back_to_hooks(own, job.edits, group.runs)
        elif not is_patched(group.runs[0].module.tree):
            patch_core(job.edits, group.runs[0].module)
            _declare(project, job)
    except Withheld as withheld:
        job.withheld = withheld
    return job


def _declare(project: Project, job: Job) -> None:
    """dpmigrate itself, declared beside Opacus."""
    if project.declarations is None:
        return
    path = job.runs[0].module.path
    files = dict.fromkeys(
        pin.path for pin in project.declarations.declared_for(path).pins if pin.kind != "lock"
    )
    for file in files:
        if file not in project.dependencies:
            job.notices.append(f"{file}: install {REQUIREMENT} beside opacus")
            continue
        planned = plan_add(file, decode(project.dependencies[file]).text, REQUIREMENT)
        if isinstance(planned, Edit):
            job.pins.edits.setdefault(file, []).append(planned)
        elif planned is not None:
            job.notices.append(f"{planned.path}:{planned.line}: {planned.reason}")
    if not files:
        job.notices.append(f"{path}: the program now needs {REQUIREMENT} at run time")
