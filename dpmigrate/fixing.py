"""``dpmigrate fix``: findings to edits, edits to contents that were analysed again, contents to disk.

A fix counts only when the project as it would be after it was analysed once more: the findings
that it mends are gone, no other has come, and planning again finds nothing to do. What does not
hold is left as it was, with the reason.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dpmigrate.model import NOT_ANALYSED, Finding
from dpmigrate.project import Project, open_project
from dpmigrate.workspace.discover import discover
from dpmigrate.workspace.errors import NotLossless, Refused
from dpmigrate.workspace.transaction import Transaction

if TYPE_CHECKING:
    from dpmigrate.codemods.jobs import Job, Options
    from dpmigrate.findings import Found


@dataclass(frozen=True)
class FixResult:
    """What a fix did, or would do."""

    diff: str = ""
    applied: tuple[str, ...] = ()
    """The files that were written, as reports show them."""
    refused: tuple[tuple[str, str], ...] = ()
    """(path, reason) of every fix that was not made."""
    mended: tuple[Finding, ...] = ()
    """The findings that are gone after it."""
    unmade: tuple[tuple[Finding, str], ...] = ()
    """The findings with a fix on offer that is not made, and why."""
    remaining: tuple[Finding, ...] = ()
    """Warnings and errors that no automatic fix is known for."""
    notices: tuple[str, ...] = ()
    contents: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """The new bytes of every file that changes, by path."""
    verify_hint: str | None = None
    """The command that proves the fixed training at run time."""
    rollback: Callable[[], None] = field(default=lambda: None, repr=False)
    """Puts every written file back."""


def fix(
    paths: Sequence[str | Path] = (".",),
    *,
    apply: bool = False,
    unsafe: bool = False,
    strategy: str = "upgrade",
    select: Collection[str] = (),
    ignore: Collection[str] = (),
    opacus: str | None = None,
    seed: str | None = None,
    lower_bound: str | None = None,
    cwd: str | Path | None = None,
    exclude: Sequence[str] = (),
) -> FixResult:
    """Rewrite what is at fault below some paths; only with ``apply`` is anything written.

    ``strategy`` is for ghost clipping under a memory manager: "upgrade", "set-to-none", "patch"
    or "hooks". ``unsafe`` admits fixes that change noise, sampling or version caps. ``seed`` is a
    Python expression to seed generators with. ``lower_bound`` is what pins are raised to. Raises
    UsageError for a path that does not exist, ValueError for a wrong specifier or expression.
    """
    from dpmigrate.findings import findings_of

    here = Path.cwd() if cwd is None else Path(cwd)
    workspace = discover(list(paths), here, exclude)
    project = open_project(workspace)
    options = _options(unsafe, strategy, seed, lower_bound, opacus)

    def look(at: Project) -> Found:
        return findings_of(at, select=select, ignore=ignore, opacus=opacus)

    found = look(project)
    refused = {n.path: n.reason for n in workspace.not_analysed}
    if not found.matches or project.program is None:
        said = [(NOT_ANALYSED, path) for path in refused]
        return FixResult(refused=tuple(refused.items()), remaining=_remaining(found.findings, said))
    fixing = _Fixing(project, found, look, options)
    for path, reason in refused.items():
        fixing.refuse(path, reason)
    return fixing.run(apply)


def _options(
    unsafe: bool, strategy: str, seed: str | None, lower_bound: str | None, opacus: str | None
) -> Options:
    import ast

    from packaging.version import InvalidVersion, Version

    from dpmigrate.codemods.jobs import Options
    from dpmigrate.versions.releases import from_spec
    from dpmigrate.workspace.errors import UsageError

    if seed is not None:
        try:
            ast.parse(seed, mode="eval")
        except SyntaxError as error:
            raise UsageError(f"--seed: {seed!r} is no Python expression.") from error
    if lower_bound is not None:
        try:
            Version(lower_bound)
        except InvalidVersion as error:
            raise UsageError(f"--opacus-lower-bound: {lower_bound!r} is no version.") from error
    return Options(unsafe, strategy, seed, lower_bound, from_spec(opacus) if opacus is not None else None)


class _Fixing:
    """One fix of one project."""

    def __init__(
        self, project: Project, found: Found, look: Callable[[Project], Found], options: Options
    ) -> None:
        self.project = project
        self.found = found
        self.look = look
        self.options = options
        self.refused: dict[str, list[str]] = {}
        self.reasons: dict[int, str] = {}
        """Why a fix was refused, by ``id`` of the findings that it would have mended."""

    def run(self, apply: bool) -> FixResult:
        """Plan, prove, and write or show."""
        from dpmigrate.codemods.account import unmade
        from dpmigrate.codemods.diff import diff_of
        from dpmigrate.codemods.planner import plan_jobs

        jobs = plan_jobs(self.project, self.found.matches, self.options)
        ready: list[Job] = []
        for job in jobs:
            for path, reason, found in job.left:
                self.refuse(path, reason, found)
            if job.withheld is not None:
                self.refuse(job.path, job.reason, job.found)
            elif job.changes:
                ready.append(job)
        contents, kept, after = self._prove(ready)
        transaction = Transaction(self.project.workspace.is_target, self.project.workspace.display)
        old: dict[str, bytes] = {}
        try:
            for path, data in sorted(contents.items()):
                old[path] = self._old(path)
                transaction.stage(self.project.workspace.absolute(path), old[path], data)
            if apply:
                transaction.commit()
        except Refused as refused:
            for job in kept:
                self.refuse(refused.path, f"{refused.reason} (nothing was written)", job.found)
            contents, kept, after = {}, [], None
        left = (after or self.found).findings
        offered = [f for f, _ in self.found.matches if f.fix is not None]
        unmade_ = unmade(offered, jobs, kept, self.reasons, left, self.options)
        said = {(f.rule, f.span.path) for f, _ in unmade_} | {(NOT_ANALYSED, path) for path in self.refused}
        return FixResult(
            diff="".join(diff_of(path, old[path], contents[path]) for path in sorted(contents)),
            applied=tuple(sorted(contents)) if apply else (),
            refused=tuple((path, why) for path, all_ in sorted(self.refused.items()) for why in all_),
            mended=tuple(f for f in offered if all(f is not other for other, _ in unmade_)),
            unmade=unmade_,
            remaining=_remaining(left, said),
            notices=tuple(dict.fromkeys(n for job in kept for n in job.notices)),
            contents=contents,
            verify_hint=self._hint(contents, kept),
            rollback=transaction.rollback,
        )

    def refuse(self, path: str, reason: str, found: Iterable[tuple[Finding, object]] = ()) -> None:
        """Note why a fix is not made, and for which findings."""
        known = self.refused.setdefault(path, [])
        if reason not in known:
            known.append(reason)
        self.reasons.update({id(finding): reason for finding, _ in found})

    def _old(self, path: str) -> bytes:
        source = self.project.sources.get(path)
        return source.data if source is not None else self.project.dependencies[path]

    # -- contents -------------------------------------------------------------------------

    def _contents(self, jobs: Sequence[Job]) -> dict[str, bytes]:
        """The new contents of every file that some jobs change. Raises `Withheld` or NotLossless."""
        from dpmigrate.codemods.contents import new_contents

        return new_contents(self.project, jobs)

    def _prove(self, jobs: Sequence[Job]) -> tuple[dict[str, bytes], list[Job], Found | None]:
        """The contents of the jobs that hold after a second analysis, together or, failing that, alone."""
        sound: list[Job] = []
        for job in jobs:
            problem = self._writable(job)
            if problem is None:
                sound.append(job)
            else:
                self.refuse(*problem, job.found)
        if not sound:
            return {}, [], None
        contents, problem_all, after = self._try(sound)
        if problem_all is None:
            return contents, sound, after
        if len(sound) == 1:
            self.refuse(sound[0].path, problem_all, sound[0].found)
            return {}, [], None
        kept: list[Job] = []
        best: tuple[dict[str, bytes], Found | None] = ({}, None)
        for job in sound:
            contents, problem_one, after = self._try([*kept, job])
            if problem_one is None:
                kept.append(job)
                best = (contents, after)
            else:
                self.refuse(job.path, problem_one, job.found)
        return best[0], kept, best[1]

    def _writable(self, job: Job) -> tuple[str, str] | None:
        """Why a job's files must not be written, before anything else is tried."""
        from dpmigrate.codemods.edits import Withheld

        workspace = self.project.workspace
        try:
            contents = self._contents([job])
        except Withheld as withheld:
            return (withheld.module.path if withheld.module else job.path, withheld.reason)
        except NotLossless as error:
            return (job.path, str(error))
        transaction = Transaction(workspace.is_target, workspace.display)
        for path, data in sorted(contents.items()):
            absolute = workspace.absolute(path)
            if not workspace.is_target(absolute):
                return (job.path, f"the fix also needs {path}, which is outside the given paths")
            try:
                transaction.stage(absolute, self._old(path), data)
            except Refused as refused:
                return (refused.path, refused.reason)
        return None

    def _try(self, jobs: Sequence[Job]) -> tuple[dict[str, bytes], str | None, Found | None]:
        """The new contents, and what is wrong with the project as it would then be."""
        from dpmigrate.codemods.edits import Withheld
        from dpmigrate.codemods.planner import plan_jobs

        try:
            contents = self._contents(jobs)
        except (Withheld, NotLossless) as error:
            return {}, str(error), None
        workspace = self.project.workspace
        overlay = {workspace.absolute(path): data for path, data in contents.items()}
        project = open_project(workspace, overlay=overlay)
        after = self.look(project)
        problem = (
            self._unread(project, contents) or self._not_gone(jobs, after) or self._unsound(project, contents)
        )
        if problem is None:
            again = [
                j for j in plan_jobs(project, after.matches, self.options) if j.withheld is None and j.changes
            ]
            touched = {path for job in again for path in job.paths}
            if touched & set(contents):
                problem = f"a second run would change {min(touched & set(contents))} again"
        return contents, problem, after

    def _unread(self, project: Project, contents: Mapping[str, bytes]) -> str | None:
        known = {(n.path, n.reason) for n in self.project.not_analysed}
        new = [n for n in project.not_analysed if n.path in contents and (n.path, n.reason) not in known]
        return f"{new[0].path} could not be analysed after the fix: {new[0].reason}" if new else None

    def _not_gone(self, jobs: Sequence[Job], after: Found) -> str | None:
        """A finding that a job set out to mend and that is there still, or one that has come."""
        before = Counter((f.rule, f.span.path) for f in self.found.findings)
        now = Counter((f.rule, f.span.path) for f in after.findings)
        mended = Counter((f.rule, f.span.path) for job in jobs for f, _ in job.found)
        for key, count in sorted(now.items()):
            left = before[key] - mended[key]
            if count > before[key]:
                return f"it would bring a new finding: {key[0]} in {key[1]}"
            if mended[key] and count > left:
                return f"{key[0]} in {key[1]} would still be there"
        return None

    def _unsound(self, project: Project, contents: Mapping[str, bytes]) -> str | None:
        from dpmigrate.codemods.soundness import unsound

        return unsound(project, contents) if self.options.strategy == "upgrade" else None

    def _hint(self, contents: Mapping[str, bytes], jobs: Sequence[Job]) -> str | None:
        """The verify command for the script that leads to a fixed run."""
        changed = [p for p in sorted(contents) if p.endswith(".py")]
        homes = [r.module.path for job in jobs for r in job.runs if r.module.path.endswith(".py")]
        if not homes:
            return None
        scripts = [
            p
            for p, m in sorted(self.project.modules.items())
            if p.endswith(".py") and _is_script(m.source.data)
        ]
        for path in (*homes, *changed, *scripts):
            if path in scripts:
                return f"dpmigrate verify {self._started_as(path)}"
        return f"dpmigrate verify {self._started_as(homes[0])}"

    def _started_as(self, path: str) -> str:
        """A script as its path, or ``-m module`` where it imports from the package that it is part of."""
        top, inside, _ = path.partition("/")
        package = rb"^[ \t]*(?:from[ \t]+\.|(?:from|import)[ \t]+" + re.escape(top).encode() + rb"\b)"
        if not inside or top == ".." or not re.search(package, self.project.modules[path].source.data, re.M):
            return path
        return "-m " + path.removesuffix(".py").removesuffix("/__main__").replace("/", ".")


def _is_script(data: bytes) -> bool:
    return b"__main__" in data


def _remaining(findings: Sequence[Finding], said: Collection[tuple[str, str]]) -> tuple[Finding, ...]:
    """What is left for people: warnings and errors, but those that are ``said`` (rule, path) elsewhere."""
    return tuple(f for f in findings if f.severity != "info" and (f.rule, f.span.path) not in said)


__all__ = ["FixResult", "fix"]
