"""The ``[match]`` table of a rule file: what a finding is about, when there is one, and what it says.

The table is one case, or holds several (``[[match.case]]``). A case has

- ``subject``: what the finding is about, one of `subjects.SUBJECTS`;
- ``when``: ``and``, ``or``, ``not`` over the facts of `facts.FACTS`, and over those fields of the event that
  it is about which say yes or no (``event.sure``);
- ``message``: one line, with `WORDS` in braces, the words that its facts leave (`facts.LEFT_WORDS`), and
  texts and numbers of the event (``{event.text}``);
- ``versions``: whose Opacus must be affected, what the pins have "declared", or that "together" with
  what the code's API proves; "any" (the default) asks nothing;
- ``affected`` (default: the rule's own) and ``faulty-git`` (the commits of the faulty window as well);
- ``severity`` and ``impact`` (default: the rule's own);
- ``selected``: reported only where the rule was asked for by name.

Beside the cases may stand ``only-ghost-unless-selected``. A table with ``about`` ("pins", "files",
"ignores", "retired") is for findings that are about no private run, and has no case.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import cache
from typing import Any, get_args

from dpmigrate.advisories import event_subjects
from dpmigrate.advisories.catalogue import Advisory, CatalogueError
from dpmigrate.advisories.conditions import ConditionError, facts_named
from dpmigrate.advisories.facts import (
    adaptive,
    coupling,
    dealing,
    gradients,
    losses,
    loud,
    optimizing,
    parallel,
    rounds,
    sampling,
    secure,
    seeds,
)
from dpmigrate.advisories.facts.general import FACTS, LEFT_WORDS, OF_EVENT
from dpmigrate.advisories.subjects import SUBJECTS
from dpmigrate.model import Impact, Severity
from dpmigrate.versions.releases import FAULTY_GIT, VersionSet, everything
from dpmigrate.versions.specifiers import parse_specifier

WORDS = ("mode", "call", "wrapped", "affected", "hit", "declared", "manager")
"""The words that every message may use."""

REGISTERED = (
    adaptive,
    coupling,
    dealing,
    event_subjects,
    gradients,
    losses,
    loud,
    optimizing,
    parallel,
    rounds,
    sampling,
    secure,
    seeds,
)
"""Modules that add to `SUBJECTS` and `FACTS` when they are imported."""

_KEYS = (
    "subject",
    "when",
    "message",
    "by-hand",
    "versions",
    "affected",
    "faulty-git",
    "severity",
    "impact",
    "selected",
)
_BESIDE = ("case", "only-ghost-unless-selected")
_VERSIONS = ("any", "declared", "together")


@dataclass(frozen=True, slots=True)
class Case:
    """One case of a rule's ``[match]`` table."""

    subject: str
    when: str
    message: str
    by_hand: str
    """What to change where no fix is made: the case's own words, or its rule's."""
    versions: str
    affected: VersionSet
    severity: Severity | None
    impact: Impact | None
    selected: bool
    """Whether it is reported only where its rule was asked for by name."""


@cache
def cases_of(advisory: Advisory) -> tuple[Case, ...]:
    """The cases of a rule. Raises CatalogueError, naming the file, for what would never match or not read."""
    table = advisory.match
    if not table or "about" in table:
        return ()
    try:
        if advisory.fix.when:
            _known(FACTS, sorted(facts_named(advisory.fix.when)), "fact")
        if "case" not in table:
            return (_case(advisory, table),)
        _known(_BESIDE, table, "key beside several cases")
        return tuple(_case(advisory, case) for case in table["case"])
    except (ValueError, ConditionError) as error:
        raise CatalogueError(f"{advisory.path.name}: [match]: {error}.") from error


def affected_versions(advisory: Advisory, table: Mapping[str, Any]) -> VersionSet:
    """The versions that have the fault: by the rule, or by the words of a table of its own."""
    spec = table.get("affected", advisory.affected)
    affected = parse_specifier(spec) if spec else everything()
    return affected | FAULTY_GIT if table.get("faulty-git") else affected


def _case(advisory: Advisory, table: Mapping[str, Any]) -> Case:
    _known((*_KEYS, *_BESIDE), table, "key")
    for key in ("subject", "when", "message"):
        if not isinstance(table.get(key), str):
            raise ValueError(f"'{key}' must be a string")
    _known(SUBJECTS, [table["subject"]], "subject")
    _known((*FACTS, *fields_of_event(table["subject"])), sorted(facts_named(table["when"])), "fact")
    words = (*WORDS, *LEFT_WORDS, *fields_of_event(table["subject"], SPOKEN))
    by_hand = table.get("by-hand", advisory.fix.by_hand)
    if not isinstance(by_hand, str):
        raise ValueError("'by-hand' must be a string")
    for said in (table["message"], by_hand):
        _known(words, _fields(said), "word for messages")
    versions = table.get("versions", "any")
    _known(_VERSIONS, [versions], "value of 'versions'")
    severity: Severity | None = table.get("severity")
    if severity is not None:
        _known(get_args(Severity), [severity], "severity")
    impact: Impact | None = table.get("impact")
    if impact is not None:
        _known(get_args(Impact), [impact], "impact")
    return Case(
        table["subject"],
        table["when"],
        table["message"],
        by_hand,
        versions,
        affected_versions(advisory, table),
        severity,
        impact,
        bool(table.get("selected")),
    )


_ANSWERED = ("bool", "Tri", "bool | None")
SPOKEN = ("str", "int")


def fields_of_event(subject: str, types: tuple[str, ...] = _ANSWERED) -> Iterator[str]:
    """The fields of a subject's event that say yes or no, or those of other types, as rules name them."""
    kind = event_subjects.EVENTS.get(subject)
    for field in fields(kind) if kind is not None else ():
        if field.type in types:
            yield f"{OF_EVENT}{field.name}"


def _fields(message: str) -> Iterator[str]:
    return (name for _, name, _, _ in string.Formatter().parse(message) if name is not None)


def _known(known_names: Iterable[str], given: Iterable[str], what: str) -> None:
    names = list(known_names)
    for word in given:
        if word not in names:
            near = get_close_matches(str(word), names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(names))}"
            raise ValueError(f"{word!r} is no {what}: {hint}")
