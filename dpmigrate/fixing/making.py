"""One fix of one project: planned, proved, shown or written, and accounted for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from dpmigrate.advisories.findings import Found
from dpmigrate.codemods.jobs import Job
from dpmigrate.codemods.options import Options
from dpmigrate.codemods.planner import plan_jobs
from dpmigrate.fixing.account import NEEDS_UNSAFE, unmade
from dpmigrate.fixing.contents import old_content
from dpmigrate.fixing.deciding import outcome_of
from dpmigrate.fixing.decisions import PassOutcome
from dpmigrate.fixing.diff import diff_of
from dpmigrate.fixing.proving import ProofProblem, Prover
from dpmigrate.fixing.rehearsal import Rehearsals
from dpmigrate.fixing.result import FixResult, left_for_people
from dpmigrate.fixing.starting import start_of, verify_command
from dpmigrate.model import NOT_ANALYSED, Finding, Reason
from dpmigrate.project import Project
from dpmigrate.project.users import users_of
from dpmigrate.workspace.errors import Refused
from dpmigrate.workspace.transaction import Transaction


class Fixing:
    """One fix of one project."""

    def __init__(
        self,
        project: Project,
        found: Found,
        look: Callable[[Project], Found],
        options: Options,
        rehearsals: Rehearsals | None = None,
    ) -> None:
        """``rehearsals`` are those of an earlier fix of the same analysed project, if there was one."""
        self.project = project
        self.found = found
        self.look = look
        self.options = options
        self.rehearsals = rehearsals or Rehearsals(project)
        self.refused: dict[str, list[str]] = {}
        self.reasons: dict[int, str] = {}
        """Why a fix was refused, by ``id`` of the findings that it would have mended."""
        self.failed: dict[int, ProofProblem] = {}
        """What goes wrong with jobs that do not hold, by their ``id``."""
        self.decided: PassOutcome | None = None
        """What :meth:`offers` decided for several groups together."""

    def offers(self) -> dict[int, str | None]:
        """What becomes of every finding with a fix, by its ``id``: None where the fix holds, or why not."""
        jobs, _, kept, after = self._prove()
        self.decided = outcome_of(self.project, jobs, self.failed, self.options)
        unmade_ = {id(f): reason for f, reason in self._unmade(jobs, kept, after)}
        return {id(f): unmade_.get(id(f)) for f in self._offered()}

    def _offered(self) -> list[Finding]:
        return [f for f, _ in self.found.matches if f.fix is not None]

    def _unmade(
        self, jobs: Sequence[Job], kept: Sequence[Job], after: Found | None
    ) -> tuple[tuple[Finding, str], ...]:
        left = (after or self.found).findings
        return unmade(self._offered(), jobs, kept, self.reasons, left, self.options)

    def _with_leave(self, unmade_: tuple[tuple[Finding, str], ...]) -> tuple[tuple[Finding, str], ...]:
        """The same, where "needs --unsafe" stands for what that really makes, as in a scan."""
        waiting = {id(f) for f, reason in unmade_ if reason.startswith(NEEDS_UNSAFE)}
        if self.options.unsafe or not waiting:
            return unmade_
        allowed = Options(True, self.options.settings)
        made = Fixing(self.project, self.found, self.look, allowed, self.rehearsals).offers()
        return tuple((f, (id(f) in waiting and made.get(id(f))) or reason) for f, reason in unmade_)

    def _prove(self) -> tuple[list[Job], dict[str, bytes], list[Job], Found | None]:
        """Every job, the new contents of what holds, the jobs that hold, and what is found after them."""
        prover = Prover(self.project, self.found, self.look, self.options, self.refuse, self.rehearsals)
        jobs = plan_jobs(self.project, self.found.matches, self.options, prover.facts)
        ready: list[Job] = []
        for job in jobs:
            for path, reason, findings in job.left:
                self.refuse(path, reason, findings)
            if job.withheld is not None:
                self.refuse(job.path, job.reason, job.matched)
            elif job.changes:
                ready.append(job)
        proved = prover.prove(ready)
        self.failed = prover.failed
        return jobs, *proved

    def run(self, apply: bool) -> FixResult:
        """Plan, prove, and write or show."""
        jobs, contents, kept, after = self._prove()
        transaction = Transaction(self.project.workspace.is_target, self.project.workspace.display)
        old: dict[str, bytes | None] = {}
        try:
            for path, data in sorted(contents.items()):
                before = old[path] = old_content(self.project, path)
                absolute = self.project.workspace.absolute(path)
                if before is None:
                    transaction.create(absolute, data)
                elif absolute not in self.project.overlay:
                    transaction.stage(absolute, before, data)
            if apply:
                transaction.commit()
        except Refused as refused:
            for job in kept:
                self.refuse(refused.path, f"{refused.reason} (nothing was written)", job.matched)
            contents, kept, after = {}, [], None
        offered, unmade_ = self._offered(), self._with_leave(self._unmade(jobs, kept, after))
        said = {(f.rule, f.span.path) for f, _ in unmade_} | {(NOT_ANALYSED, path) for path in self.refused}
        return FixResult(
            diff="".join(diff_of(path, old[path], contents[path]) for path in sorted(contents)),
            applied=tuple(sorted(contents)) if apply else (),
            refused=tuple((path, why) for path, all_ in sorted(self.refused.items()) for why in all_),
            mended=tuple(f for f in offered if all(f is not other for other, _ in unmade_)),
            unmade=unmade_,
            remaining=left_for_people((after or self.found).findings, said),
            warnings=self.project.workspace.warnings,
            notices=tuple(dict.fromkeys(n for job in kept for n in job.notices)),
            contents=contents,
            verify_hint=self._hint(contents, kept),
            write=transaction.commit,
            left_over=self.project.workspace.left_over,
            rollback=transaction.rollback,
        )

    def refuse(self, path: str, reason: str, concerned: Iterable[tuple[Finding, object]] = ()) -> None:
        """Note why a fix is not made, and for which findings."""
        reasons_of_path = self.refused.setdefault(path, [])
        if reason not in reasons_of_path:
            reasons_of_path.append(reason)
        for finding, _ in concerned:
            # A line says little without its file.
            placed = isinstance(reason, Reason) and reason.place
            self.reasons[id(finding)] = (
                f"{path}: {reason}" if placed and finding.span.path != path else reason
            )

    def _hint(self, contents: Mapping[str, bytes], jobs: Sequence[Job]) -> str | None:
        """The verify command for the script that leads to a fixed run."""
        changed = [p for p in sorted(contents) if p in self.project.modules and p.endswith(".py")]
        homes = [r.module.path for job in jobs for r in job.runs if r.module.path.endswith(".py")]
        if not homes:
            return None
        # Only a script that comes to the run proves anything about it.
        users = {p for job in jobs for r in job.runs for p in users_of(self.project, r.module)}
        scripts = [
            p
            for p, m in sorted(self.project.modules.items())
            if p in users and p.endswith(".py") and _is_script(m.source.data)
        ]
        for path in (*homes, *changed, *scripts):
            if path in scripts:
                return self._started(path)
        starts = list(dict.fromkeys(start for job in jobs for r in job.runs if (start := start_of(r))))
        started = [path for path in starts if path.endswith(".py")]
        # A helper that only notebooks call does nothing as a script.
        return None if starts and not started else self._started((started or homes)[0])

    def _started(self, path: str) -> str:
        assert self.project.program is not None
        return verify_command(self.project.program.modules, self.project.modules[path])


def _is_script(data: bytes) -> bool:
    return b"__main__" in data
