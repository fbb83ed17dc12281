"""Whether an upgraded project does what the upgrade meant, as a second analysis sees it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Iterator
from typing import TYPE_CHECKING

import libcst as cst

from dpmigrate.analysis.ledger import (
    Backward,
    CoefficientAsked,
    Criterion,
    DoubleBackward,
    Guard,
    PrivateRun,
    Stepped,
    Unpack,
    contradict,
)
from dpmigrate.analysis.ledger.analysed import Component
from dpmigrate.codemods.program.facts import Facts, FactsByPart

if TYPE_CHECKING:
    from dpmigrate.analysis.program import Program


class Shared(str):
    """What is wrong since other code has the private run's criterion, too: one of its own would do."""


Rank = tuple[str, int]
"""A call that makes a run, by its file and how many such calls are before it, as fixes leave it."""


class Soundness:
    """What is so of a project before any fix, against which each try is held."""

    def __init__(self, program: Program, known: dict[Component, Facts]) -> None:
        """``known`` is for :class:`FactsByPart`, and shared by all tries."""
        self.known = known
        self.ranks = ranks(program)
        self.passes = _passes(program)
        self.plain_passes = _plain_passes(program)
        self.wrong = {rank for rank, _ in _wrong(program, known)}

    def problem(
        self, program: Program, upgraded: Collection[Rank], privatized: Collection[str] = ()
    ) -> str | None:
        """What is wrong with the program after a fix; None when all is well.

        ``upgraded`` holds the calls whose ghost runs must be right now; no other must have become wrong.
        ``privatized`` holds the files that train by way of ``make_private`` now, and did not before.
        """
        for run in program.runs:
            if run.module.path in privatized and not any(not e.raw for e in run.happened(Stepped)):
                line = run.module.place(run.origin.node).line
                return (
                    f"line {line} of {run.module.path} after the fix: the training would not step the "
                    "optimizer that make_private returns: return it to where it is stepped"
                )
        now = _passes(program)
        for path, mode in self.passes:
            lost = now[path, mode] < self.passes[path, mode] and not mode.startswith("ghost")
            if lost or not any(count for (where, _), count in now.items() if where == path):
                return Shared(
                    f"{path} after the fix: in {mode!r} mode a loss would no longer be made as it is now (a "
                    "variable or a function serves both modes): give the ghost run a criterion of its own, "
                    "and let the third object that its make_private returns make its losses alone"
                )
        plain = _plain_passes(program)
        private_now = {*privatized, *_trained_by(program, privatized)}
        for path, count in self.plain_passes.items():
            if plain[path] < count and path not in private_now:
                return Shared(
                    f"{path} after the fix: a model that is not private would no longer be trained by "
                    "its own criterion (code or a variable serves both): give the private run one of its own"
                )
        if (still := _still_imported(program, {path for path, _ in upgraded})) is not None:
            return still
        for rank, problem in _wrong(program, self.known):
            if rank in upgraded or rank not in self.wrong:
                return problem
        return None


def ranks(program: Program) -> dict[cst.CSTNode, Rank]:
    """The rank of every call that makes a run."""
    places = {run.origin.node: run.module.place(run.origin.node) for run in program.runs}
    lines = {node: (-1 if p.cell is None else p.cell, p.line) for node, p in places.items()}
    counts: Counter[str] = Counter()
    by_call: dict[cst.CSTNode, Rank] = {}
    for node in sorted(places, key=lines.__getitem__):
        path = places[node].path
        by_call[node] = path, counts[path]
        counts[path] += 1
    return by_call


def _wrong(program: Program, known: dict[Component, Facts]) -> Iterator[tuple[Rank, str]]:
    """What is wrong with ghost runs, each by its call's rank."""
    facts, rank = FactsByPart(program, known), ranks(program)
    trained = {rank[r.origin.node] for r in program.runs if any(r.happened(Backward))}
    given_again = _given_again(program.runs)
    for run in program.runs:
        if rank[run.origin.node] in trained and not any(
            isinstance(e, (Backward, Stepped)) for e in run.events
        ):
            continue  # A caller, such as a test, that makes the run and does not train.
        problem = (_of_run(facts.of(run.module), run) or given_again.get(id(run))) if run.ghost else None
        if problem is not None:
            line = run.module.place(run.origin.node).line
            said = f"line {line} of {run.module.path} after the fix: {problem}"
            yield rank[run.origin.node], Shared(said) if isinstance(problem, Shared) else said


_GONE = "opacus.utils.fast_gradient_clipping_utils.double_backward"
"""What the releases to which a run is upgraded have no more."""


def _still_imported(program: Program, paths: Collection[str]) -> str | None:
    """An import that raises on the releases to which the runs of some files are upgraded, beside them."""
    for part in program.parts:
        if not any(run.module.path in paths and program.part_of(run.module) is part for run in program.runs):
            continue
        for name in part.retired_names:
            if name.dotted == _GONE and name.imported and not name.tolerated:
                place = name.origin.module.place(name.origin.node)
                return (
                    f"line {place.line} of {place.path} after the fix: double_backward would still be "
                    "imported, which Opacus 1.5.3 has no more: what else calls it is in no run that is seen; "
                    "delete that code, or let the criterion that make_private returns make its losses, and "
                    "call backward() on them"
                )
    return None


def _passes(program: Program) -> Counter[tuple[str, str]]:
    """How many losses of a known kind go backward, by file and mode."""
    return Counter(
        (event.origin.module.path, run.mode)
        for run in program.runs
        for event in run.happened(Backward)
        if event.loss != "unknown" and not _is_by_anothers_criterion(event)
    )


def _is_by_anothers_criterion(event: Backward) -> bool:
    """Whether a loss of one private model was made by the criterion that came with another."""
    return event.loss == "other" and event.maker.kind == "dp-criterion"


def _plain_passes(program: Program) -> Counter[str]:
    """How many losses of a known kind go backward that no private run has to do with, by file."""
    return Counter(module.path for part in program.parts for module in part.plain_passes)


def _trained_by(program: Program, paths: Collection[str]) -> Iterator[str]:
    """The files in which losses of the runs go backward that some files make."""
    return (
        event.origin.module.path
        for run in program.runs
        if run.module.path in paths
        for event in run.happened(Backward)
    )


def _given_again(runs: Iterable[PrivateRun]) -> dict[int, Shared]:
    """The runs that are given a criterion which another run of the same execution has, by their ``id``."""
    having: dict[Hashable, list[tuple[PrivateRun, Guard]]] = {}
    for run in runs:
        for option in run.argument("criterion").options if run.ghost else ():
            if isinstance(option.what, Criterion) and not option.what.function:
                having.setdefault(option.what.key, []).append((run, run.guard | option.guard))
    problems = {}
    for runs_with in having.values():
        for run, guard in runs_with:
            other = next((o for o, also in runs_with if _both_made(run, guard, o, also)), None)
            if other is not None:
                problems[id(run)] = Shared(
                    "the same criterion would be given for another model, too "
                    f"({other.module.place(other.origin.node).shown}), where Opacus 1.5.3 and 1.5.4 raise: "
                    "give each make_private one of its own (criterion=)"
                )
    return problems


def _both_made(run: PrivateRun, guard: Guard, other: PrivateRun, also: Guard) -> bool:
    """Whether one execution may make both of two runs, in two activations."""
    place, other_place = (run.origin.node, run.chain), (other.origin.node, other.chain)
    return place != other_place and not contradict(guard, also)


def _of_run(facts: Facts, run: PrivateRun) -> str | None:
    backwards = list(run.happened(Backward))
    if not backwards or any(map(_is_by_anothers_criterion, backwards)):
        return Shared(
            "no backward pass by its own criterion would be left: where one criterion serves several private "
            "models, give each make_private another one (criterion=), and let the third object that it "
            "returns make the losses of its model"
        )
    if any(e.loss != "returned-criterion" for e in backwards):
        return "some loss would not be made by the returned criterion"
    if any(e.through for e in backwards):
        return (
            "the wrapped criterion would change the gradients of another model, which a loss goes through: "
            "give that loss a criterion of its own"
        )
    if any(isinstance(e, (DoubleBackward, CoefficientAsked)) for e in run.events):
        return "something of the two passes would be left"
    counts = {e.count for e in run.happened(Unpack) if e.star is None}
    if counts - {4} and not run.manual:
        return "the result would not be taken apart in four everywhere"
    given = [c for c in run.argument("criterion").things if isinstance(c, Criterion) and not c.function]
    for criterion in given:
        call = next(facts.calls_of(criterion, run.guard), None)
        if call is not None:
            place = facts.module_of(call).place(call)
            return Shared(
                f"the criterion would also be called unwrapped ({place.shown}), where Opacus "
                "1.5.3 and 1.5.4 leave it without a reduction: give that place a criterion of its own"
            )
    return None
