"""Why a finding is only possible: what the text leaves open, in a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dpmigrate.analysis.ledger import ALWAYS
from dpmigrate.versions.releases import VersionSet, everything

if TYPE_CHECKING:
    from dpmigrate.advisories.cases import Case
    from dpmigrate.advisories.subjects import Subject
    from dpmigrate.model import Place, Tri

UNSAID = "not everything that it depends on can be read from the text"
"""Where a fact is not certain and does not say why: each should (``Subject.unsure``)."""

MAX_TESTS = 2
"""Tests on which a finding hangs that are named one by one."""


def _which_opacus(admitted: VersionSet) -> str:
    """Why the release does not settle it."""
    if not admitted:
        return "the code needs another Opacus than the dependency files admit"
    if admitted == everything():
        return "nothing says which Opacus it is"
    return f"Opacus may be any of {admitted.words()}"


def only_possible(case: Case, subject: Subject, by_version: Tri, of_the_mode: bool) -> Iterator[Place]:
    """What keeps a finding from being definite, in a sentence at its own place."""
    run, versions = subject.run, subject.versions
    others = [f"`{mode}`" for mode in run.modes if mode not in (run.mode, "?")]
    doubts = []
    if by_version is None:
        doubts.append(_which_opacus(versions.declared if case.versions == "declared" else versions.together))
    if of_the_mode and run.certainty() == "possible" and not run.cut_short:
        doubts.append(f"the mode may also be {' or '.join(others) if others else 'another'}")
    if subject.guard or (subject.event is not None and subject.event.guard):
        doubts.append(_under_a_condition(subject))
    if run.cut_short:
        doubts.append("the program is long, and this run was followed only in part")
    doubts += subject.doubts
    if not doubts:
        doubts.append(UNSAID)
    yield subject.module.place(subject.origin.node, f"only possible: {'; '.join(doubts)}")


def _under_a_condition(subject: Subject) -> str:
    """That what the program tests decides, and where it does."""
    guard = subject.guard | (subject.event.guard if subject.event is not None else ALWAYS)
    tests = [module.place(node) for module, node, _ in subject.run.asked(guard)]
    if not tests:
        return "it is so under a condition that the text does not settle"
    here = subject.module.place(subject.origin.node)
    told = [test.seen_from(here) for test in tests[:MAX_TESTS]]
    more = ", and on others" if len(tests) > MAX_TESTS else ""
    return f"it hangs on the test{'s' if len(tests) > 1 else ''} in {' and '.join(told)}{more}"
