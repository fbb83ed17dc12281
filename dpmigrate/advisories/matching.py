"""Private runs against advisories: which apply, where, how surely, and in what words."""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import libcst as cst

from dpmigrate.advisories import conditions
from dpmigrate.advisories.cases import Case, cases_of
from dpmigrate.advisories.catalogue import Advisory
from dpmigrate.advisories.doubts import only_possible
from dpmigrate.advisories.evidence import Assumed, Versions, same_calls, versions_of
from dpmigrate.advisories.facts.general import answer
from dpmigrate.advisories.facts.loud import why_refused
from dpmigrate.advisories.subjects import SUBJECTS, Subject
from dpmigrate.analysis.ledger import ManagerUsed, Origin, PrivateRun
from dpmigrate.model import Certainty, Finding, Impact, NotAnalysed, Place, Severity, Span, Tri, both
from dpmigrate.versions.decoding import NAMES_CSPRNG
from dpmigrate.versions.releases import FAULTY_GIT, UNKNOWN_GIT, everything, nothing
from dpmigrate.workspace.errors import own_error

if TYPE_CHECKING:
    from dpmigrate.project import Project
    from dpmigrate.versions.pin import Pin


class GoneName(NamedTuple):
    """A dotted name of Opacus that some release has dropped."""

    name: str
    new: str = ""
    """Its name now; empty where it has none that does the same."""
    keywords: Mapping[str, Sequence[str]] = {}
    """The parameters of functions below it that are taken by keyword only now, in their old order."""


@dataclass(slots=True)
class Match:
    """An advisory that applies to something in a run (or to a dependency pin)."""

    advisory: Advisory
    run: PrivateRun | None
    certainty: Certainty
    message: str
    because: tuple[Place, ...] = ()
    origin: Origin | None = None
    """Where in the code; None where it is about a pin."""
    pin: Pin | None = None
    severity: Severity | None = None
    impact: Impact | None = None
    """Both instead of the advisory's own."""
    fixable: bool = True
    """Whether the advisory's fix, if it has one, is on offer here."""
    by_hand: str | None = None
    """What to change where the fix is not made."""
    versions: Versions | None = None
    gone: GoneName | None = None
    """The name that it is about, where a release dropped it."""
    subject: str = ""
    """What its case is about, one of `SUBJECTS`; empty where no case of a run is met."""


def of_no_run(advisory: Advisory, span: Span, message: str) -> tuple[Finding, Match]:
    """A finding that is about a file or a comment, and the match behind it."""
    finding = Finding(
        advisory.id,
        advisory.name,
        span,
        advisory.severity,
        advisory.impact,
        "definite",
        message,
        by_hand=advisory.fix.by_hand,
    )
    return finding, Match(advisory, None, "definite", message)


def match_runs(
    project: Project,
    advisories: Sequence[Advisory],
    assumed: Assumed,
    target: Assumed,
    asked_by_name: Callable[[str], Set[str]],
) -> Iterator[Match]:
    """Every match of every advisory on every run of a project, in no particular order.

    ``target`` says of a file's path for which release it is to be ready, ``asked_by_name`` which rules
    (by id) were asked for by name there.
    """
    program = project.program
    cases = [(advisory, case) for advisory in advisories for case in cases_of(advisory)]
    only_selected = frozenset(advisory.id for advisory, case in cases if case.selected)
    csprng = any(name in data for data in project.dependencies.values() for name in NAMES_CSPRNG)
    for part in program.parts if program is not None else ():
        alike = same_calls(part.runs)
        for run in part.runs:
            if run.guessed:
                continue
            path = run.module.path
            try:
                versions = versions_of(run, project.declarations, assumed(path), alike(run))
                versions = replace(versions, target=target(path), csprng=csprng)
                # A fix looks at a project again and again, and most runs stay as they are.
                selected = only_selected & asked_by_name(path)
                asked = match_runs, versions.key, selected
                if asked not in run.known:
                    run.known[asked] = [
                        match
                        for advisory, case in cases
                        if not case.selected or advisory.id in selected
                        for subject in SUBJECTS[case.subject](run, versions)
                        if (match := _judge(advisory, case, subject)) is not None
                    ]
                yield from run.known[asked]
            except Exception as error:
                # An error of our own costs one run, and is told; the others are judged all the same.
                line = run.module.line(run.origin.node)
                project.broken.append(NotAnalysed(path, line, own_error(error)))


def _judge(advisory: Advisory, case: Case, subject: Subject) -> Match | None:
    answers: dict[str, Tri] = {}

    def fact(name: str) -> Tri:
        if name not in answers:
            answers[name] = answer(name, subject)
        return answers[name]

    by_version = _by_version(case, subject.versions)
    if by_version is False:
        return None
    truth = both(by_version, conditions.condition_holds(case.when, fact))
    if truth is False:
        return None
    # What goes wrong in every mode is as sure where the mode is not.
    of_the_mode = "ghost" in conditions.facts_named(case.when)
    sure = truth is True and subject.run.certainty(subject.event, of_the_mode) == "definite"
    refused = why_refused(subject)
    if refused:
        subject.unsure(refused)
    sure = sure and not subject.guard and not refused
    return Match(
        advisory,
        subject.run,
        "definite" if sure else "possible",
        filled_in(case.message, case, subject),
        (*_because(case, subject), *(() if sure else only_possible(case, subject, by_version, of_the_mode))),
        subject.origin,
        severity=case.severity,
        impact=case.impact,
        by_hand=filled_in(case.by_hand, case, subject) or None,
        fixable=not advisory.fix.when or conditions.condition_holds(advisory.fix.when, fact) is True,
        versions=subject.versions,
        subject=case.subject,
    )


def _by_version(case: Case, versions: Versions) -> Tri:
    """Whether the versions that remain are affected: all, none, or some."""
    how, affected = case.versions, case.affected
    if how == "any" or (how == "declared" and versions.target and versions.target & affected):
        return True
    remaining = versions.declared if how == "declared" else versions.together
    if not remaining and how != "declared":
        # Pins and code contradict each other: what the code says counts, on releases, unless git is pinned.
        proved = versions.evidence if versions.declared.has_git else versions.evidence - FAULTY_GIT
        return None if proved & affected else False
    if not remaining & affected:
        return False
    return True if remaining <= affected else None


def _because(case: Case, subject: Subject) -> Iterator[Place]:
    """Why it is believed: the mode, the versions, and what the facts pointed at."""
    run = subject.run
    seen: set[Place] = set()
    places: list[Place] = []
    for origin in run.mode_because if _speaks_of_the_mode(case) else ():
        why = _MODE_COMES_FROM.get(origin.text, f": {origin.text}")
        places.append(origin.module.place(origin.node, f"mode {run.shown_mode!r}{why}"))
    if case.versions != "any":
        places.extend(subject.versions.sources[:4])
        places.extend(p.place for p in subject.versions.proofs if case.versions != "declared")
    if subject.origin.node is not run.origin.node:
        places.append(run.module.place(run.origin.node, made_by(run, "the private run")))
    places.extend(origin.module.place(origin.node, origin.text) for origin in subject.shown)
    places.extend(_switched_off(switch) for switch in run.turned)
    here = subject.module.place(subject.origin.node)
    for place in places:
        if place in seen or (
            (place.path, place.line, place.cell) == (here.path, here.line, here.cell) and not place.text
        ):
            continue
        seen.add(place)
        yield place


def _switched_off(switch: Origin) -> Place:
    """A literal that somebody has to change before the run takes place."""
    written = switch.node.value if isinstance(switch.node, cst.Name) else ""
    other = {"True": "False", "False": "True"}.get(written, "another")
    return switch.module.place(
        switch.node, f"switched off as the code stands: the run takes place once this is {other}"
    )


def _speaks_of_the_mode(case: Case) -> bool:
    return "{mode}" in case.message or bool({"ghost", "hooks"} & conditions.facts_named(case.when))


_MODE_COMES_FROM = {
    "literal": " is written here",
    "argparse default": " is the default of this option",
    "one of the choices": " is a choice of this option",
}
"""How a reason for the mode is spoken, where it is one of these words of ``Run.mode_because``."""


class _Words(dict[str, object]):
    def __missing__(self, key: str) -> str:
        return "?"


def filled_in(sentence: str, case: Case, subject: Subject) -> str:
    """A sentence of the rule's file with its words filled in."""
    run, versions, affected = subject.run, subject.versions, case.affected
    faulty = (versions.together or versions.evidence) & affected
    words = _Words(
        mode=f"`{run.mode}`",
        call="the hand-made pair" if run.manual else run.call,
        wrapped=_wrapped(run),
        affected=affected.words(),
        hit=(faulty - UNKNOWN_GIT).words(),
        declared=f"Opacus {(versions.declared | (versions.target or nothing())).words()}"
        if versions.declared != everything()
        else "any version of Opacus (nothing pins it)",
        manager=subject.event.manager if isinstance(subject.event, ManagerUsed) else "",
        event=subject.event,
    )
    words.update(subject.notes)
    return string.Formatter().vformat(sentence, (), words)


def made_by(run: PrivateRun, what: str) -> str:
    """What stands at a run's place: ``what``, and the call that made the run."""
    return f"{what} ({'a hand-made pair' if run.manual else run.call})"


def _wrapped(run: PrivateRun) -> str:
    """The criterion that ghost clipping needs the loss to come from."""
    if run.manual:
        return "a `DPLossFastGradientClipping` of the hand-made pair"
    return f"the criterion that {run.call} returned"
