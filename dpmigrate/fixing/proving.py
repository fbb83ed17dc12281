"""Which fixes hold: together where they can be, each half of them alone where not.

A fix counts only when the project as it would be after it was analysed once more: the findings
that it mends are gone, no other has come, and planning again finds nothing to do.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

from dpmigrate.advisories.catalogue import concerned_with
from dpmigrate.advisories.findings import Found
from dpmigrate.advisories.matching import Match
from dpmigrate.codemods.editing.edits import Withheld
from dpmigrate.codemods.jobs import Job
from dpmigrate.codemods.options import Options
from dpmigrate.codemods.planner import plan_jobs
from dpmigrate.fixing.contents import new_contents, old_content
from dpmigrate.fixing.rehearsal import Rehearsals
from dpmigrate.fixing.soundness import Shared, Soundness
from dpmigrate.model import Finding
from dpmigrate.project import Project
from dpmigrate.workspace.errors import NotLossless, Refused
from dpmigrate.workspace.transaction import Transaction

Proved = tuple[dict[str, bytes], list[Job], Found | None]
"""The new contents of every file that some jobs change, those jobs, and what is found after them."""


class ProofProblem(NamedTuple):
    """What is wrong with a project after some fixes, and in which file, where that is known."""

    path: str | None
    text: str
    """One that is `Shared` is mended by a criterion of the run's own."""


class Prover:
    """Proves the fixes of one project. ``refuse`` is told (path, reason, findings) of each that fails."""

    def __init__(
        self,
        project: Project,
        found: Found,
        look: Callable[[Project], Found],
        options: Options,
        refuse: Callable[..., None],
        rehearsals: Rehearsals | None = None,
    ) -> None:
        """``rehearsals`` are those of an earlier fix of the same analysed project, if there was one."""
        self.project = project
        self.found = found
        self.look = look
        self.options = options
        self.refuse = refuse
        self.rehearsals = rehearsals or Rehearsals(project)
        self.facts = self.rehearsals.facts
        self._contents: dict[tuple[int, ...], dict[str, bytes]] = {}
        """What some jobs make of their files, by ``id`` of the jobs."""
        self.failed: dict[int, ProofProblem] = {}
        """What goes wrong with each job that does not hold, by its ``id``."""

    def prove(self, jobs: Sequence[Job]) -> Proved:
        """The jobs that hold after a second analysis: all that do in their order."""
        sound: list[Job] = []
        for job in jobs:
            problem = self._writable(job)
            if problem is None:
                sound.append(job)
            else:
                self.failed[id(job)] = ProofProblem(*problem)
                self.refuse(*problem, job.matched)
        return self._settled(sound, ({}, [], None), None) if sound else ({}, [], None)

    def _settled(self, jobs: Sequence[Job], proved: Proved, failure: ProofProblem | None) -> Proved:
        """``proved`` and those of some more jobs that hold with it; ``failure`` if all are known not to."""
        together = [*proved[1], *jobs]
        if failure is None:
            contents, problems, after = self._try(together)
            if not problems:
                return contents, together, after
            alone = self._failing_alone(jobs, proved[1], problems) if len(jobs) > 1 else {}
            if alone:
                for place, problem in alone.items():
                    self._fail(jobs[place], problem)
                rest = [job for place, job in enumerate(jobs) if place not in alone]
                return self._settled(rest, proved, None) if rest else proved
            failure = problems[0]
        if len(jobs) == 1:
            if isinstance(failure.text, Shared) and self._planned_apart(jobs[0]):
                return self._settled(jobs, proved, None)
            self._fail(jobs[0], failure)
            return proved
        half = len(jobs) // 2
        first = self._settled(jobs[:half], proved, None)
        # Where the first half holds, the second with it is what has just failed.
        failure_of_rest = failure if len(first[1]) == len(proved[1]) + half and len(jobs) - half > 1 else None
        return self._settled(jobs[half:], first, failure_of_rest)

    def _planned_apart(self, job: Job) -> bool:
        """Plan a job again, with a criterion of its own for each run; False where that cannot be."""
        apart = job.apart() if job.apart is not None else None
        if apart is None or apart.withheld is not None or self._writable(apart) is not None:
            return False
        job.become(apart)
        self._contents.clear()
        return True

    def _fail(self, job: Job, problem: ProofProblem) -> None:
        self.failed[id(job)] = problem
        self.refuse(job.path, problem.text, job.matched)

    def _failing_alone(
        self, jobs: Sequence[Job], others: Sequence[Job], problems: Sequence[ProofProblem]
    ) -> dict[int, ProofProblem]:
        """The places of jobs that fail whatever the others do, with what goes wrong.

        All that goes wrong has to lie in components that one job changes and no other does: what they
        share beyond them, a dependency file, is what that job would write by itself as well. Else none.
        """
        reached = [self._components(job) for job in jobs]
        taken = set[int]().union(*map(self._components, others))
        failing: dict[int, ProofProblem] = {}
        for problem in problems:
            component = self._component.get(problem.path or "")
            places = [place for place, numbers in enumerate(reached) if component in numbers]
            if component is None or len(places) != 1 or component in taken:
                return {}
            failing.setdefault(places[0], problem)
        return failing

    def _components(self, job: Job) -> set[int]:
        return {self._component[path] for path in job.paths if path in self._component}

    @cached_property
    def _component(self) -> dict[str, int]:
        """The number of the component that each analysed file is in, by the path that reports show."""
        numbers = {key: number for number, group in enumerate(self.project.groups) for key in group.members}
        modules = self.project.modules.items()
        return {path: numbers[m.key] for path, m in modules if m.key in numbers}

    def _writable(self, job: Job) -> tuple[str, str] | None:
        """Why a job's files must not be written, before anything else is tried."""
        workspace = self.project.workspace
        try:
            contents = self._after([job])
        except Withheld as withheld:
            return (withheld.module.path if withheld.module else job.path, withheld.reason)
        except NotLossless as error:
            return (job.path, str(error))
        transaction = Transaction(workspace.is_target, workspace.display)
        for path, data in sorted(contents.items()):
            absolute, old = workspace.absolute(path), old_content(self.project, path)
            if old is not None and not workspace.is_target(absolute):
                outside = f"the fix also needs {path}, which is outside the given paths: name it, too"
                return (job.path, outside)
            if absolute in self.project.overlay:
                continue  # the editor that has it open writes it
            try:
                if old is None:
                    transaction.create(absolute, data)
                else:
                    transaction.stage(absolute, old, data)
            except Refused as refused:
                return (refused.path, refused.reason)
        return None

    def _after(self, jobs: Sequence[Job]) -> dict[str, bytes]:
        """The new bytes of every file that some jobs change. Raises `Withheld` and NotLossless."""
        together = tuple(map(id, jobs))
        if together not in self._contents:
            self._contents[together] = new_contents(self.project, jobs)
        return self._contents[together]

    def _try(self, jobs: Sequence[Job]) -> tuple[dict[str, bytes], Sequence[ProofProblem], Found | None]:
        """The new contents, and what is wrong with the project as it would then be."""
        try:
            contents = self._after(jobs)
        except (Withheld, NotLossless) as error:
            return {}, [ProofProblem(None, str(error))], None
        workspace = self.project.workspace
        project = self.rehearsals.of({workspace.absolute(path): data for path, data in contents.items()})
        after = self.look(project)
        unsound = self._unsound(project, jobs)
        problems = self._unread(project, contents) or self._not_gone(jobs, after) or unsound
        if any(isinstance(problem.text, Shared) for problem in unsound):
            problems = unsound  # what else is wrong may come of it
        if not problems:
            again = self._planned_again(project, after, jobs) & set(contents)
            problems = [
                ProofProblem(path, f"a second run would change {path} again") for path in sorted(again)
            ]
        return contents, problems, after

    @cached_property
    def _soundness(self) -> Soundness | None:
        program = self.project.program
        return Soundness(program, self.facts) if program is not None else None

    def _unsound(self, project: Project, jobs: Sequence[Job]) -> list[ProofProblem]:
        soundness = self._soundness
        if soundness is None or project.program is None:
            return []
        upgraded = {soundness.ranks[run.origin.node] for job in jobs if job.upgrades for run in job.runs}
        privatized = {path for job in jobs if job.privatizes for path in job.paths}
        said = soundness.problem(project.program, upgraded, privatized)
        return [] if said is None else [ProofProblem(None, said)]

    def _planned_again(self, project: Project, after: Found, jobs: Sequence[Job]) -> set[str]:
        """The files that a second run would change, but for what other jobs are there to mend."""
        counts = Counter((f.rule, f.span.path) for f in self.found.findings)
        others = set(counts - Counter((f.rule, f.span.path) for job in jobs for f, _ in job.matched))
        again = plan_jobs(project, after.matches, self.options, self.facts)
        return {
            path
            for job in again
            if job.withheld is None and job.changes
            if not {(f.rule, f.span.path) for f, _ in job.matched} <= others
            for path in job.paths
        }

    def _unread(self, project: Project, contents: Mapping[str, bytes]) -> list[ProofProblem]:
        before = {(n.path, n.reason) for n in self.project.not_analysed}
        new = [n for n in project.not_analysed if n.path in contents and (n.path, n.reason) not in before]
        said = "could not be analysed after the fix"
        return [ProofProblem(n.path, f"{n.path} {said}: {n.reason}") for n in new]

    def _asked_for(self, key: tuple[str, str], after: Found) -> bool:
        """Whether a finding is what the user's own seed brings, where the code does not settle that seed."""
        rule, path = key
        seed = self.options.at(path).seed
        if seed is None or _is_written_out(seed) or rule not in concerned_with("seeding"):
            return False
        return all(f.certainty == "possible" for f in after.findings if (f.rule, f.span.path) == key)

    def _not_gone(self, jobs: Sequence[Job], after: Found) -> list[ProofProblem]:
        """The findings that a job set out to mend and that are there still, and those that have come."""
        problems = []
        before = Counter((f.rule, f.span.path) for f in self.found.findings)
        now = Counter((f.rule, f.span.path) for f in after.findings)
        behind: dict[tuple[str, str], list[tuple[Finding, Match]]] = {}
        for finding, match in after.matches:
            behind.setdefault((finding.rule, finding.span.path), []).append((finding, match))
        mended = Counter((f.rule, f.span.path) for job in jobs for f, _ in job.matched)
        for key, count in sorted(now.items()):
            left = before[key] - mended[key]
            if (
                count > before[key]
                and not self._asked_for(key, after)
                and not _revealed(key, jobs, behind[key])
            ):
                if _of_comments(behind[key]):
                    if any(key[1] in job.paths for job in jobs):
                        problems.append(ProofProblem(key[1], _LEAVES_ALONE.format(path=key[1])))
                    continue
                said = next(f.message for f in after.findings if (f.rule, f.span.path) == key)
                problems.append(
                    ProofProblem(key[1], f"it would bring a new finding: {key[0]} in {key[1]}: {said}")
                )
            elif mended[key] and count > left:
                said = next(f.message for f in after.findings if (f.rule, f.span.path) == key)
                problems.append(ProofProblem(key[1], f"{key[0]} in {key[1]} would still be there: {said}"))
        return problems


def _is_written_out(seed: str) -> bool:
    """Whether an expression is the number itself, which whoever reads the code then knows."""
    return not any(isinstance(part, (ast.Name, ast.Call)) for part in ast.walk(ast.parse(seed, mode="eval")))


_LEAVES_ALONE = "it would change what an ignore comment in {path} leaves alone: delete that comment first"


def _of_comments(matches: Sequence[tuple[Finding, Match]]) -> bool:
    """Whether findings are about ignore comments that suppress nothing: what they were for is gone."""
    return all(match.advisory.match.get("about") == "ignores" for _, match in matches)


_OF_EXAMPLES = ("batch-statistics", "examples-coupled", "padding-read", "records-repeated")
_UNTOUCHED_BY_A_MOVE = frozenset(["backward", "delta", *_OF_EXAMPLES])
"""Subjects of findings about what a move to ``make_private`` leaves as it was: losses, models, delta."""


def _revealed(key: tuple[str, str], jobs: Sequence[Job], matches: Sequence[tuple[Finding, Match]]) -> bool:
    """Whether a finding was there unseen: mere information, or about what a call of today's API took over.

    Its job then says so.
    """
    rule, path = key
    runs = {m.run.origin.module.path for _, m in matches if m.run is not None}
    movers = [job for job in jobs if job.privatizes and not job.paths.isdisjoint({path, *runs})]
    taken_over = all(
        f.severity == "info"
        or m.subject in _UNTOUCHED_BY_A_MOVE
        or (m.run is not None and m.origin is not None and m.origin.node is m.run.origin.node)
        for f, m in matches
    )
    if not movers or not taken_over:
        return False
    movers[0].notices += [
        f"{f.span.path}:{f.span.line}: {rule} after the fix, and unseen before: {f.message}"
        for f, _ in matches
        if f.severity != "info"
    ]
    return True
