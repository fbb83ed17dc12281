"""``dpmigrate fix``: findings to edits, edits to contents that were analysed again, contents to disk.

What a fix does not make is left as it was, with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dpmigrate.model import NOT_ANALYSED, STRATEGIES, Finding, Strategy
from dpmigrate.project import Project, open_project
from dpmigrate.workspace.discover import discover
from dpmigrate.workspace.errors import Refused
from dpmigrate.workspace.transaction import Transaction

if TYPE_CHECKING:
    from dpmigrate.codemods.jobs import Job
    from dpmigrate.codemods.options import Options
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
    UsageError for a path that does not exist and for a wrong option, ValueError for a wrong specifier.
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

    from dpmigrate.codemods.options import Options
    from dpmigrate.versions.specifiers import parse_specifier
    from dpmigrate.workspace.errors import UsageError

    chosen: Strategy | None = next((known for known in STRATEGIES if known == strategy), None)
    if chosen is None:
        raise UsageError(f"--strategy: {strategy!r} is none of {', '.join(STRATEGIES)}.")
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
    override = parse_specifier(opacus) if opacus is not None else None
    return Options(unsafe, chosen, seed, lower_bound, override)


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
        from dpmigrate.proving import Prover

        prover = Prover(self.project, self.found, self.look, self.options, self.refuse)
        jobs = plan_jobs(self.project, self.found.matches, self.options, prover.facts)
        ready: list[Job] = []
        for job in jobs:
            for path, reason, found in job.left:
                self.refuse(path, reason, found)
            if job.withheld is not None:
                self.refuse(job.path, job.reason, job.found)
            elif job.changes:
                ready.append(job)
        contents, kept, after = prover.prove(ready)
        transaction = Transaction(self.project.workspace.is_target, self.project.workspace.display)
        old: dict[str, bytes] = {}
        try:
            for path, data in sorted(contents.items()):
                old[path] = self.project.data(path)
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
