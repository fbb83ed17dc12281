"""Whether an upgraded project does what the upgrade meant, as a second analysis sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import libcst as cst

from dpmigrate.analysis.training import TrainingRun
from dpmigrate.analysis.values import Atom, Obj
from dpmigrate.codemods.program_facts import Facts, FactsByPart

if TYPE_CHECKING:
    from dpmigrate.project import Project


def unsound(
    project: Project, contents: Mapping[str, bytes], known: dict[int, Facts] | None = None
) -> str | None:
    """What is wrong with the ghost runs of the changed files; None when all is well.

    ``known`` is for :class:`FactsByPart`.
    """
    if project.program is None:
        return None
    facts = FactsByPart(project.program, known)
    for run in project.program.runs:
        if run.ghost is not True or run.module.path not in contents:
            continue
        problem = _of_run(facts.of(run.module), run)
        if problem is not None:
            line = run.module.place(run.origin.node).line
            return f"line {line} of {run.module.path} after the fix: {problem}"
    return None


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
