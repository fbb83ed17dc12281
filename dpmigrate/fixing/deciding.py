"""What the fixes that several groups share come to, by which a later scan tells whether they still do.

Groups under one pin have to do with one another through few jobs alone: the upgrade of the calls under that
pin, which is made as a whole or not at all, and moves from the API of 0.x, which may raise it as well.
Everything else that is planned or proved of a group is a matter of its own files, of the dependency files as
they are, and of those jobs' decisions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dpmigrate.codemods.jobs import Job
from dpmigrate.codemods.options import Options
from dpmigrate.codemods.upgrade.in_place import of_a_library
from dpmigrate.fixing.decisions import Decision, PassOutcome, SharedOutcome
from dpmigrate.fixing.proving import ProofProblem
from dpmigrate.project import Project
from dpmigrate.versions.edit import DEFAULT_LOWER_BOUND


def outcome_of(
    project: Project, jobs: Sequence[Job], failed: Mapping[int, ProofProblem], options: Options
) -> PassOutcome | None:
    """What the jobs of one pass decided; None where that is too intricate to say it of fewer groups.

    ``failed`` has what goes wrong with jobs that do not hold, by their ``id``.
    """
    numbers = _Numbers(project)
    made: list[SharedOutcome] = []
    for job in jobs:
        if not _reaches_beyond(job, numbers):
            continue
        outcome = _of_job(job, jobs, failed, options, numbers)
        if outcome is None:
            return None
        made.append(outcome)
    return PassOutcome(tuple(sorted(made, key=lambda outcome: outcome.members)))


def _reaches_beyond(job: Job, numbers: _Numbers) -> bool:
    """Whether more than one group has to do with what becomes of a job."""
    moved = numbers.moved_by(job)
    if job.privatizes and job.withheld is not None and len(moved) == 1:
        return False
    return job.governed != () or bool(job.pins.edits) or len(moved) > 1


def _of_job(
    job: Job, jobs: Sequence[Job], failed: Mapping[int, ProofProblem], options: Options, numbers: _Numbers
) -> SharedOutcome | None:
    """What a job decided; None where one more call may change more than whether it is made."""
    members, governed = tuple(sorted(numbers.moved_by(job))), job.governed or ()
    asked = None
    if job.upgrades:
        bounds = {options.at(run.module.path).lower_bound for run in job.runs}
        if not governed or len(bounds) != 1:
            return None
        asked = next(bound.version if bound is not None else None for bound in bounds)
    elif not job.privatizes:
        return None
    if job.withheld is not None:
        module = job.withheld.module
        if module is None:
            return None  # what all of its calls, or their pins, come to together
        refusal = f"{job.path}: {job.reason}"
        return SharedOutcome(Decision(refusal, governed, (), asked), members, (numbers.of(module.key),))
    if (
        job.pins.stuck
        or job.stays_in_place
        or (job.upgrades and job.bound != (asked or DEFAULT_LOWER_BOUND))
        or of_a_library([run for run in job.runs if run.ghost])
    ):
        return None  # one more call may change the release for all
    edits = tuple(sorted(repr(edit) for edits in job.pins.edits.values() for edit in edits))
    problem = failed.get(id(job))
    if problem is None:
        return SharedOutcome(Decision("", governed, edits, asked), members)
    number = numbers.by_path.get(problem.path or "")
    if number is None or any(number in numbers.changed_by(other) for other in jobs if other is not job):
        return None
    return SharedOutcome(Decision(problem.text, governed, edits, asked), members, (number,))


class _Numbers:
    """The numbers of the groups of a project, by the keys and paths of their files."""

    def __init__(self, project: Project) -> None:
        self._by_key = {key: n for n, group in enumerate(project.groups) for key in group.members}
        self.by_path = {path: self.of(module.key) for path, module in project.modules.items()}

    def of(self, key: str) -> int:
        """The number by a module's key, or by that of one which a notebook writes."""
        return self._by_key.get(key.partition(":")[0], -1)

    def moved_by(self, job: Job) -> set[int]:
        """The groups that a job's findings and runs are in."""
        modules = [run.module for run in job.runs]
        modules += [match.origin.module for _, match in job.matched if match.origin is not None]
        return {self.of(module.key) for module in modules}

    def changed_by(self, job: Job) -> set[int]:
        """The groups with a file that a job changes."""
        return {self.by_path[path] for path in job.paths if path in self.by_path}
