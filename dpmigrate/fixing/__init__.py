"""``dpmigrate fix``: findings to edits, edits to contents that were analysed again, contents to disk.

``making``       one fix: jobs planned, proved, shown or written (``result``)
``proving``      which jobs hold together after a second analysis, on a ``rehearsal`` of the project
``contents``     jobs to the new bytes of files; ``diff`` shows them
``soundness``    whether an upgraded run does what was meant
``account``      what became of every finding
``commands``     the recipes as LibCST codemods, for ``libcst.tool``

What a fix does not make is left as it was, with the reason. LibCST is not imported before there is a
finding to mend.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Sequence
from pathlib import Path

from dpmigrate.advisories.findings import Found, findings_of
from dpmigrate.codemods.options import Options
from dpmigrate.fixing.result import FixResult, left_for_people
from dpmigrate.model import NOT_ANALYSED, STRATEGIES, Strategy
from dpmigrate.project import Project
from dpmigrate.project.opening import open_project
from dpmigrate.workspace.discover import discover
from dpmigrate.workspace.errors import UsageError


def fix(
    paths: Sequence[str | Path] = (".",),
    *,
    apply: bool = False,
    unsafe: bool = False,
    strategy: Strategy = "upgrade",
    select: Collection[str] = (),
    ignore: Collection[str] = (),
    opacus: str | None = None,
    seed: str | None = None,
    lower_bound: str | None = None,
    cwd: str | Path | None = None,
    exclude: Sequence[str] = (),
    exclude_base: str | Path | None = None,
) -> FixResult:
    """Rewrite what is at fault below some paths; only with ``apply`` is anything written.

    ``strategy`` is for ghost clipping under a memory manager: "upgrade", "set-to-none", "patch"
    or "hooks". ``unsafe`` admits fixes that change noise, sampling or version caps. ``seed`` is a
    Python expression to seed generators with. ``lower_bound`` is what pins are raised to. ``exclude``
    holds patterns in gitignore syntax, relative to ``exclude_base`` (default: ``cwd``). Raises
    UsageError for a path that does not exist and for a wrong option, ValueError for a wrong specifier.
    """
    here = Path.cwd() if cwd is None else Path(cwd)
    workspace = discover(list(paths), here, exclude, exclude_base)
    project = open_project(workspace)
    options = _options(unsafe, strategy, seed, lower_bound, opacus)

    def look(at: Project) -> Found:
        return findings_of(at, select=select, ignore=ignore, opacus=opacus)

    found = look(project)
    refused = {n.path: n.reason for n in (*workspace.not_analysed, *workspace.unlisted)}
    if not found.matches or project.program is None:
        said = [(NOT_ANALYSED, path) for path in refused]
        return FixResult(
            refused=tuple(refused.items()),
            remaining=left_for_people(found.findings, said),
            warnings=workspace.warnings,
        )
    from dpmigrate.fixing.making import Fixing

    fixing = Fixing(project, found, look, options)
    for path, reason in refused.items():
        fixing.refuse(path, reason)
    return fixing.run(apply)


def _options(
    unsafe: bool, strategy: str, seed: str | None, lower_bound: str | None, opacus: str | None
) -> Options:
    chosen: Strategy | None = next((known for known in STRATEGIES if known == strategy), None)
    if chosen is None:
        raise UsageError(f"--strategy: {strategy!r} is none of {', '.join(STRATEGIES)}.")
    if seed is not None:
        try:
            ast.parse(seed, mode="eval")
        except SyntaxError as error:
            raise UsageError(f"--seed: {seed!r} is no Python expression.") from error
    override = None
    if lower_bound is not None:
        from packaging.version import InvalidVersion, Version

        try:
            Version(lower_bound)
        except InvalidVersion as error:
            raise UsageError(f"--opacus-lower-bound: {lower_bound!r} is no version.") from error
    if opacus is not None:
        from dpmigrate.versions.specifiers import parse_specifier

        override = parse_specifier(opacus)
    return Options(unsafe, chosen, seed, lower_bound, override)


__all__ = ["FixResult", "fix"]
