"""The ledger of some files, for whoever writes rules: runs with their objects, events, subjects and facts.

Run as ``python -m dpmigrate.advisories.show FILE``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields

from dpmigrate.advisories.cases import cases_of
from dpmigrate.advisories.catalogue import advisories
from dpmigrate.advisories.conditions import facts_named
from dpmigrate.advisories.evidence import versions_of
from dpmigrate.advisories.facts.general import answer
from dpmigrate.advisories.subjects import SUBJECTS, Subject
from dpmigrate.analysis.ledger import (
    Amount,
    Assumption,
    Circumstances,
    Constant,
    Given,
    Guard,
    Maker,
    Missing,
    Open,
    Origin,
    PrivateRun,
    Step,
    Thing,
    Turn,
)
from dpmigrate.project import Project
from dpmigrate.project.opening import open_project
from dpmigrate.workspace.discover import discover
from dpmigrate.workspace.errors import UsageError
from dpmigrate.workspace.settings import given_settings

ANSWERS = {True: "yes", False: "no", None: "unknown"}


def show(project: Project) -> Iterator[str]:
    """Lines that tell everything the ledger holds of a project's private runs."""
    runs = project.program.runs if project.program is not None else []
    if not runs:
        yield "no private run"
    for run in runs:
        yield f"RUN {_place(run.origin)} {run.call}, mode {run.mode!r} of {', '.join(run.modes)}"
        yield from (f"    {line}" for line in (*_run(run), *_events(run), *_subjects(project, run)))


def _run(run: PrivateRun) -> Iterator[str]:
    if run.guessed:
        yield "guessed: nothing names this mode, no rule is asked about it"
    yield from _circumstances(run.guard, run.chain, run.loops)
    for name, given in run.arguments.items():
        yield f"{name} = {_text(given)}"
    if run.open_call:
        yield "**kwargs with unknown keys"
    objects = (("model", run.models), ("optimizer", run.optimizers), ("loader", run.loaders))
    for word, things in objects:
        for thing in things:
            yield f"{word}: {_text(thing)}"
    yield f"engine: {_text(run.engine)}"
    yield f"seeded: {ANSWERS[run.seeded]}, patched: {ANSWERS[run.patched]}"


def _events(run: PrivateRun) -> Iterator[str]:
    yield "events"
    for event in run.events:
        said = ", ".join(f"{f.name}={_text(getattr(event, f.name))}" for f in fields(event) if f.name != "at")
        conditional = " (conditional)" if event.at.conditional else ""
        yield f"    {_place(event.origin)} {type(event).__name__}({said}){conditional}"
        yield from (f"        {line}" for line in _circumstances(event.guard, event.chain, event.loops))


def _subjects(project: Project, run: PrivateRun) -> Iterator[str]:
    """What each subject that a rule asks about is, with the facts that those rules name."""
    versions = versions_of(run, project.declarations, None)
    asked: dict[str, dict[str, None]] = {}
    for case in (case for advisory in advisories() for case in cases_of(advisory)):
        asked.setdefault(case.subject, {}).update(dict.fromkeys(sorted(facts_named(case.when))))
    yield "facts"
    for name, facts in asked.items():
        for subject in SUBJECTS[name](run, versions):
            yield f"    {name} at {_place(subject.origin)}"
            yield from (f"        {line}" for line in _answers(subject, facts))


def _answers(subject: Subject, facts: Iterable[str]) -> Iterator[str]:
    told: dict[str, list[str]] = {"yes": [], "no": [], "unknown": []}
    for fact in facts:
        told[ANSWERS[answer(fact, subject)]].append(fact)
    return (f"{answer}: {', '.join(names)}" for answer, names in told.items() if names)


def _circumstances(guard: Guard, chain: Sequence[Step], loops: Sequence[Turn]) -> Iterator[str]:
    if guard:
        yield f"where {' and '.join(sorted(map(_assumption, guard)))}"
    if chain:
        yield f"through {' -> '.join(_place(s.through) + _turn(s.number) for s in chain)}"
    if loops:
        yield f"in loops {' -> '.join(_place(t.loop) + _turn(t.number) for t in loops)}"


def _assumption(assumption: Assumption) -> str:
    said = " ".join(str(part) for part in assumption.test)
    return f"{' '.join(_symbol(assumption.symbol))} {'' if assumption.holds else 'not '}{said}"


def _symbol(symbol: object) -> Iterator[str]:
    """The words of what an assumption is about, without what only tells two of one name apart."""
    if isinstance(symbol, str):
        yield symbol
    elif isinstance(symbol, tuple):
        for part in () if symbol[:1] == ("module",) else symbol:
            yield from _symbol(part)
    else:
        yield from _symbol(getattr(symbol, "symbol", getattr(symbol, "kind", ())))


def _turn(number: int | None) -> str:
    return "" if number is None else f" (turn {number})"


def _place(origin: Origin) -> str:
    place = origin.module.place(origin.node)
    cell = "" if place.cell is None else f"[{place.cell}]"
    return f"{place.path}{cell}:{place.line}"


def _text(value: object) -> str:
    """A part of a record in few words."""
    if isinstance(value, Given):
        return " | ".join(_text(o.what) + (" (guarded)" if o.guard else "") for o in value.options) or "-"
    if isinstance(value, Constant):
        return repr(value.value)
    if isinstance(value, Missing):
        return "not given"
    if isinstance(value, Open):
        compared = f", compared with {', '.join(sorted(value.compared))}" if value.compared else ""
        return f"? ({value.reason}{compared})"
    if isinstance(value, Amount):
        return "?" if value.number is None else f"{value.number:g}"
    if isinstance(value, Maker):
        return f"{value.kind} {value.name}".strip()
    if isinstance(value, Thing):
        return _thing(value)
    if isinstance(value, Origin):
        return _place(value)
    if isinstance(value, tuple):
        return f"({', '.join(map(_text, value))})"
    if isinstance(value, frozenset):
        return f"{{{', '.join(sorted(map(_text, value)))}}}"
    return str(value)


def _thing(thing: Thing) -> str:
    beyond = [f for f in fields(thing) if f.repr and f.name not in ("key", "kind", "name", "made")]
    said = [f"{f.name}={_text(getattr(thing, f.name))}" for f in beyond]
    made = [f"made at {_place(thing.made.origin)}", *_in_loops(thing.made)] if thing.made is not None else []
    return f"{thing.kind} {thing.name}".strip() + f" ({', '.join([*made, *said])})"


def _in_loops(made: Circumstances) -> list[str]:
    return [f"in {len(made.loops)} loops"] if made.loops else []


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the ledger of the files named; 2 where there is none to open."""
    paths = list(sys.argv[1:] if arguments is None else arguments)
    try:
        project = open_project(discover(paths or ["."], given_settings(None)))
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
    for line in show(project):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
