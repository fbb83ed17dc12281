"""``dpmigrate fix``: findings to edits, edits to contents that were analysed again, contents to disk.

``making``       one fix: jobs planned, proved, shown or written (``result``)
``proving``      which jobs hold together after a second analysis, on a ``rehearsal`` of the project
``contents``     jobs to the new bytes of files; ``diff`` shows them
``soundness``    whether an upgraded run does what was meant
``bound``        whether a new text uses a name that nothing binds
``offers``       which fixes a scan may put on offer
``deciding``     what groups that share a pin decide together, kept as ``decisions``
``account``      what became of every finding
``starting``     the ``verify`` command that proves it
``commands``     the recipes as LibCST codemods, for ``libcst.tool``

What a fix does not make is left as it was, with the reason. LibCST is not imported before there is a
finding to mend.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from dpmigrate.advisories.findings import check_rules, findings_of
from dpmigrate.codemods.options import Options, check
from dpmigrate.fixing.result import FixResult, left_for_people
from dpmigrate.model import NOT_ANALYSED, Strategy
from dpmigrate.project.opening import open_project
from dpmigrate.workspace.discover import discover
from dpmigrate.workspace.settings import Settings, given_settings
from dpmigrate.workspace.stack import room_for_trees
from dpmigrate.workspace.transaction import remove_left_over


@room_for_trees()
def fix(
    paths: Sequence[str | Path] = (".",),
    *,
    apply: bool = False,
    unsafe: bool = False,
    strategy: Strategy | None = None,
    select: Collection[str] = (),
    ignore: Collection[str] = (),
    opacus: str | None = None,
    seed: str | None = None,
    lower_bound: str | None = None,
    cwd: str | Path | None = None,
    exclude: Sequence[str] = (),
    exclude_base: str | Path | None = None,
    settings: Settings | None = None,
    unsaved: Mapping[str, bytes] = MappingProxyType({}),
) -> FixResult:
    """Rewrite what is at fault below some paths; only with ``apply`` is anything written.

    ``strategy`` is for ghost clipping under a memory manager: "upgrade" (the default), "set-to-none",
    "patch" or "hooks". ``unsafe`` admits fixes that change noise, sampling or version caps. ``seed`` is a
    Python expression to seed generators with. ``lower_bound`` is what pins are raised to. The other
    options, ``settings`` in their place (and in that of ``strategy``, ``seed`` and ``lower_bound``)
    included, are those of ``scan``. ``unsaved`` holds contents, by absolute path, that stand for what is on
    disk; only without ``apply``. Raises UsageError for a path that does not exist and a wrong option.
    """
    if settings is None:
        settings = given_settings(cwd, select, ignore, opacus, None, exclude, exclude_base)
        settings.given = settings.given._replace(strategy=strategy, seed=seed, opacus_lower_bound=lower_bound)
    if apply and unsaved:
        raise ValueError("what an editor has not saved is the editor's to write")
    workspace = discover(list(paths), settings)
    if apply:
        remove_left_over(workspace.left_over)
    project = open_project(workspace, overlay=unsaved)
    check(settings)
    check_rules(settings)
    found = findings_of(project)
    refused = {n.path: n.reason for n in (*workspace.not_analysed, *workspace.unlisted)}
    if not found.matches or project.program is None:
        said = [(NOT_ANALYSED, path) for path in refused]
        return FixResult(
            left_over=workspace.left_over,
            refused=tuple(refused.items()),
            remaining=left_for_people(found.findings, said),
            warnings=workspace.warnings,
        )
    from dpmigrate.fixing.making import Fixing

    fixing = Fixing(project, found, findings_of, Options(unsafe, settings))
    for path, reason in refused.items():
        fixing.refuse(path, reason)
    return fixing.run(apply)


__all__ = ["FixResult", "fix"]
