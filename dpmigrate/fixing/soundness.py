"""Whether an upgraded project does what the upgrade meant, as a second analysis sees it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import TYPE_CHECKING

import libcst as cst

from dpmigrate.analysis.training import TrainingRun
from dpmigrate.analysis.values import Atom, Obj
from dpmigrate.codemods.program_facts import Facts, FactsByPart

if TYPE_CHECKING:
    from dpmigrate.analysis.program import Program
    from dpmigrate.project import Project


def unsound(
    before: Project, project: Project, upgraded: Collection[str], known: dict[int, Facts] | None = None
) -> str | None:
    """What is wrong with a project that was another ``before``; None when all is well.

    ``upgraded`` holds the files whose ghost runs must be right now. ``known`` is for :class:`FactsByPart`.
    """
    if project.program is None or before.program is None:
        return None
    was, now = _passes(before.program), _passes(project.program)
    for path, mode in was:
        lost = now[path, mode] < was[path, mode] and not mode.startswith("ghost")
        if lost or not any(count for (where, _), count in now.items() if where == path):
            return f"{path} after the fix: in {mode!r} mode a loss would no longer be made"
    facts = FactsByPart(project.program, known)
    for run in project.program.runs:
        if run.ghost is not True or run.module.path not in upgraded:
            continue
        problem = _of_run(facts.of(run.module), run)
        if problem is not None:
            line = run.module.place(run.origin.node).line
            return f"line {line} of {run.module.path} after the fix: {problem}"
    return None


def _passes(program: Program) -> Counter[tuple[str, str]]:
    """How many losses of a known kind go backward, by file and mode."""
    return Counter(
        (event.origin.module.path, run.mode)
        for run in program.runs
        for event in run.of_kind("backward")
        if event.detail["loss"] != "unknown"
    )


def _of_run(facts: Facts, run: TrainingRun) -> str | None:
    backwards = list(run.of_kind("backward"))
    if any(e.detail["loss"] != "returned-criterion" for e in backwards):
        return "some loss would not be made by the returned criterion"
    if not backwards:
        return "no backward pass would be left that can be seen"
    if any(run.of_kind("two-pass-call", "coefficient")):
        return "something of the two passes would be left"
    counts = {e.detail["count"] for e in run.of_kind("unpack")}
    if counts - {4} and not run.manual:
        return "the result would not be taken apart in four everywhere"
    given = [a for a in run.argument("criterion").atoms if isinstance(a, Obj)]
    for criterion in given:
        call = _raw_call(facts, criterion, run)
        if call is not None:
            place = facts.module_of(call).place(call)
            return (
                f"the criterion would also be called unwrapped ({place.path}:{place.line}), where Opacus "
                "1.5.3 and 1.5.4 leave it without a reduction: give that place a criterion of its own"
            )
    return None


def _raw_call(facts: Facts, criterion: Atom, run: TrainingRun) -> cst.Call | None:
    """A call of the criterion itself, in ghost mode."""
    for info in facts.modules:
        for call in facts.inside(info.tree, cst.Call):
            if criterion in facts.callee_atoms(call, run.guard):
                return call
    return None
